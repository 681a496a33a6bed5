"""``python -m xops``: what an operator and an auditor ask from a shell."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from xops.cli import MISTAKE, main
from xops.core.dataset.versions import DataVersion
from xops.core.evidence import Origin
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.iceberg.tables import IcebergHook
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST
from xops.hooks.store.evidence import EvidenceStore

pytestmark = pytest.mark.integration


@pytest.fixture
def model():
    """Give a model of two versions in a local MLflow; the data that they were trained on are published."""
    frame = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})
    fitted = LogisticRegression().fit(frame, [False, False, True, True] * 5)
    lake, hook = IcebergHook(), MlflowHook()
    rows = pa.table({"id": [1, 2], "distance": [100.0, 200.0]})
    lake.publish(lake.stage(rows, table="nyc.flights", batch="2013-01"))
    record = TrainingRecord(
        features=DataVersion("nyc.flights", "1"), labels=DataVersion("nyc.labels", "1"), batches=("2013-01",), on="id",
        target="late", columns=("distance",), holdout=Holdout("day", 0.2), rows=20, asked_by=AskedBy.DRIFT,
        code="flights.fit@abc",
    )  # fmt: skip
    for key in ("first", "second"):
        hook.train_version(
            Training("flights", key, {}, record.to_tags(), {}, {}), fitted, frame, requirements=["scikit-learn"]
        )
    return "flights"


@pytest.fixture
def judge(model):
    """Give a function that leaves the evidence of an evaluation of a version."""

    def record(version, champion=None, outcome=Outcome.PASS):
        name, manifest = f"models:/{model}/{version}", MlflowHook().version(model, version).tags[MANIFEST]
        finding = Finding("auc", name, outcome, 0.81, 0.7, reason=f"found {outcome}")
        verdict = Verdict("evaluation", name, (finding,), {"champion": champion, "manifest": manifest})
        EvidenceStore().record(verdict, origin=Origin("train", "run", f"of {champion}"), about=model, batch=version)

    return record


@pytest.fixture
def shell(capsys):
    """Give a function that runs a command: its exit code, what it says to a machine, and its complaint."""

    def run(*words):
        code = main([*words, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return run


def test_champions_are_made_and_unmade_from_a_shell(model, judge, shell):
    judge("1")
    code, entry, _ = shell("promote", model, "1", "--reason", "the first")
    assert (code, entry["version"], entry["kind"]) == (0, "1", "promote")
    assert "@" in entry["by"]
    judge("2", champion="1")
    assert shell("promote", model, "2", "--reason", "better")[1]["previous"] == "1"
    code, entry, _ = shell("rollback", model, "--reason", "worse on Sundays")
    assert (code, entry["version"], entry["kind"]) == (0, "1", "rollback")
    assert [entry["version"] for entry in shell("log", model)[1]] == ["1", "2", "1"]
    assert MlflowHook().aliases(model)["champion"] == "1"


def test_what_a_rollback_left_is_shown_as_withdrawn(model, judge, shell, capsys):
    judge("1")
    shell("promote", model, "1", "--reason", "the first")
    judge("2", champion="1")
    shell("promote", model, "2", "--reason", "better")
    assert shell("show", model, "2")[1]["withdrawn"] is None
    shell("rollback", model, "--reason", "[/] worse on [red]Sundays")  # texts are texts, whatever rich thinks of them
    assert shell("show", model, "2")[1]["withdrawn"]["reason"] == "[/] worse on [red]Sundays"
    for words in (("show", model, "2"), ("log", model)):
        assert main(list(words)) == 0
        assert "[/] worse on [red]Sundays" in capsys.readouterr().out


def test_no_cell_of_a_table_is_cut_off_however_narrow_the_page(model, judge, monkeypatch, capsys):
    monkeypatch.setattr("xops.cli._PAGE", 40)
    judge("1")
    assert main(["show", model, "1"]) == 0
    assert "…" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to_is_named(model, shell, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, complaint = shell("card", model, "1", "--out", str(tmp_path / "file" / "below"))
    assert code == MISTAKE
    assert "a folder to write to was wanted" in complaint


def test_an_auditor_finds_the_data_the_evidence_and_who_let_it_through(model, judge, shell):
    judge("1")
    shell("promote", model, "1", "--reason", "the first")
    _, found, _ = shell("show", model)
    assert (found["version"], found["champion"]) == ("1", True)
    assert found["training"]["features"] == "nyc.flights@1"
    assert found["evidence"][0]["id"] in found["entries"][0]["evidence"]
    _, history, _ = shell("history", model)
    assert [(one["version"], one["judged"], one["champion"]) for one in history] == [
        ("1", {"evaluation": "pass"}, True),
        ("2", {}, False),
    ]
    assert history[0]["asked_by"] == "drift"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("promote", "flights", "1", "--reason", "r"), "a verdict on it was wanted, none was given"),
        (("promote", "flights", "1", "--reason", "r", "--severity", "auc"), "CHECK=SEVERITY was wanted"),
        (("promote", "flights", "1", "--reason", ""), "a reason was wanted"),
        (("promote", "flights", "1", "--reason", " \t"), "a reason was wanted"),
        (("rollback", "flights", "--reason", "  "), "a reason was wanted"),
        (("rollback", "flights", "--reason", "r"), "nothing was ever promoted"),
        (("show", "flights"), "has no champion"),
        (("show", "flights", "7"), "not found"),
        (("log", ""), "the name of a registered model was wanted"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(model, shell, words, why):
    code, _, complaint = shell(*words)
    assert code == MISTAKE
    assert why in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("words", [("log", "flights"), ("history", "flights"), ("show", "flights", "1")])
def test_a_person_reads_tables(model, judge, words, capsys):
    assert main(list(words)) == 0
    assert "1" in capsys.readouterr().out or words[0] == "log"
    judge("1")
    assert main(["promote", "flights", "1", "--reason", "the first"]) == 0
    assert "version 1 of flights is champion, it was nobody" in " ".join(capsys.readouterr().out.split())
    assert main(list(words)) == 0
    assert "evaluation:" in capsys.readouterr().out or words[0] == "log"
