"""What the documentation shows is so: its code runs, it prints what is printed there, the reference is current."""

import contextlib
import datetime as dt
import importlib.util
import io
import itertools
import json
import re
import sys
import types
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
AVOIDED = re.compile(r"\b(threshold|baseline|challenger|utils|helpers?)\b", flags=re.IGNORECASE)
PAGES = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]


def blocks(page):
    """Give language, text and line of each fenced block of a page, in order."""
    text = page.read_text()
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield found[1], found[2], text[: found.start()].count("\n") + 1


def play(page, names):
    """Run a page's Python in order, DAGs apart, and compare what it prints with the output that follows."""
    shown = [*blocks(page), ("", "", 0)]
    for (language, code, line), (kind, output, _) in itertools.pairwise(shown):
        if language != "python" or "@dag" in code:
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * line + code, str(page), "exec"), names)
        if kind == "json":
            assert json.loads(printed.getvalue()) == json.loads(output)
        elif kind == "text":
            assert printed.getvalue() == output


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give a folder of its own for evidence and tables, and go there."""
    monkeypatch.setattr("xops.hooks.settings.home", lambda: tmp_path / "xops")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_reference_is_what_the_docstrings_say():
    spec = importlib.util.spec_from_file_location("generate_reference", DOCS / "generate_reference.py")
    generate_reference = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = generate_reference  # dataclasses look their module up
    spec.loader.exec_module(generate_reference)
    assert (DOCS / "reference.md").read_text() == generate_reference.reference(), "run docs/generate_reference.py"


def test_the_concepts_print_what_they_show(home):
    play(DOCS / "concepts.md", {})


def test_the_how_to_does_what_it_says(home):
    suite = next(text for language, text, _ in blocks(DOCS / "howto.md") if language == "json")
    (home / "orders.json").write_text(suite)
    contract = next(text for language, text, _ in blocks(DOCS / "howto.md") if language == "yaml")
    (home / "orders.odcs.yaml").write_text(contract)
    a_promotion_and_a_refusal()
    names = {}
    play(DOCS / "howto.md", names)
    assert callable(names["chance_of_return"])
    the_model_loads_safely(names["fit"])


def a_promotion_and_a_refusal():
    """Leave in the store what the page reads."""
    from xops.core.evidence import Origin
    from xops.core.model.promotion import Entry, Kind
    from xops.core.verdict import Finding, Verdict
    from xops.hooks.models.promotion_log import PromotionLog
    from xops.hooks.store.evidence import EvidenceStore

    origin = Origin("shop_training", "manual__2026-01-06", "evaluate")
    for version, area, outcome in (("4", 0.71, "pass"), ("5", 0.52, "fail")):
        finding = Finding("auc", f"models:/returns/{version}", outcome, area, 0.6)
        verdict = Verdict("evaluation", finding.subject, (finding,))
        EvidenceStore().record(verdict, origin=origin, about="returns", batch=version)
    entry = Entry(
        number=1,
        model="returns",
        previous=None,
        version="4",
        kind=Kind.PROMOTE,
        manifest="0" * 64,
        key="a" * 32,
        by="shop_training/manual__2026-01-06/promote",
        reason="better on the held-out days",
        at="2026-01-06T05:00:00+00:00",
    )
    PromotionLog("returns").append(entry.key, 1, lambda _: entry)


def the_model_loads_safely(fit):
    """Fit the page's model and see that its types are on the list of those that are loaded."""
    import numpy as np
    import pandas as pd

    from xops.hooks.models.model_formats import TRUSTED, import_skops

    dice = np.random.default_rng(0)
    frame = pd.DataFrame(dice.normal(size=(200, 3)), columns=["amount", "items", "customer_age"])
    fitted = fit(frame.assign(returned=frame["amount"] > 0), {"learning_rate": 0.2})
    assert fitted.predict_proba(frame).shape == (200, 2)
    skops_io = import_skops()
    assert set(skops_io.get_untrusted_types(data=skops_io.dumps(fitted))) <= set(TRUSTED)


def test_the_dags_of_the_how_to_parse(tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    for language, code, line in blocks(DOCS / "howto.md"):
        if language == "python" and "@dag" in code:
            (tmp_path / f"line_{line}.py").write_text(code)
    bag = DagBag(str(tmp_path))
    assert bag.import_errors == {}
    assert {"shop_training", "shop_scoring", "shop_monitoring", "shop_rollback"} <= set(bag.dags)
    assert bag.dags["shop_training"].task_dict["promote"].upstream_task_ids == {"train", "evaluate"}


@pytest.mark.parametrize(
    "settings", [text for language, text, _ in blocks(DOCS / "howto.md") if language == "bash" and "export" in text]
)
def test_the_settings_of_the_how_to_name_a_store_and_its_connection(settings, monkeypatch):
    import shlex

    from airflow.sdk import Connection

    from xops.hooks.settings import store_url

    exported = dict(word.split("=", 1) for word in shlex.split(settings) if word != "export")
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    named = re.match(r"s3://(\w+)@[\w-]+/\w+$", store_url())[1]
    connection = Connection.from_json(exported[f"AIRFLOW_CONN_{named.upper()}"])
    assert connection.conn_type == "aws"
    assert connection.extra_dejson.keys() <= {"region_name", "endpoint_url"}


def test_a_check_can_be_added_by_the_recipe(home, monkeypatch):
    judge, its_test, operator = (text for language, text, _ in blocks(ROOT / "CONTRIBUTING.md") if language == "python")
    module = types.ModuleType("xops.core.freshness")
    exec(judge, vars(module))
    monkeypatch.setitem(sys.modules, "xops.core.freshness", module)

    tests = {}
    exec(its_test, tests)
    names, cases = tests["test_a_table_is_fresh_up_to_its_limit"].pytestmark[0].args
    for case in cases:
        tests["test_a_table_is_fresh_up_to_its_limit"](**dict(zip(names, case, strict=True)))
    tests["test_a_table_without_a_time_is_not_called_fresh"]()

    the_operator_judges_records_and_decides(operator, monkeypatch)


def the_operator_judges_records_and_decides(code, monkeypatch):
    """Run the recipe's operator on a table that is an hour old."""
    import pyarrow as pa
    from airflow.sdk.exceptions import AirflowFailException

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.evidence import EvidenceStore

    module = types.ModuleType("xops.operators.freshness")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code, vars(module))
    an_hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    rows = pa.table({"at": pa.array([an_hour_ago, None], pa.timestamp("us", "UTC"))})
    staged = IcebergHook().stage(rows, table="shop.orders", batch="2026-01-05").to_json()

    def run(max_hours):
        task = f"fresh_{max_hours}"
        ti = types.SimpleNamespace(dag_id="shop", run_id="r", task_id=task, map_index=None, xcom_push=lambda **_: None)
        check = module.FreshnessCheckOperator(task_id=task, version=staged, column="at", max_hours=max_hours)
        return check.execute({"ti": ti})

    assert run(2)["verdict"]["outcome"] == "pass"
    with pytest.raises(AirflowFailException, match=r"freshness of shop\.orders@"):
        run(0.5)
    recorded = EvidenceStore().about("freshness", "shop.orders", "2026-01-05")
    assert [evidence.verdict.outcome for evidence in recorded] == ["pass", "fail"]


@pytest.mark.parametrize("decision", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_says_what_violates_it(decision):
    text = decision.read_text()
    assert re.match(rf"# {int(decision.stem[:4])}\. \w", text)
    parts = ("**Context.**", "**Decision.**", "**Considered.**", "**A change violates this when**")
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert len(text.splitlines()) <= 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_words_are_those_of_the_glossary(page):
    if page.name != "glossary.md":
        assert AVOIDED.findall(page.read_text()) == []


def test_the_how_to_lists_each_of_its_sections():
    text = (DOCS / "howto.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \[(.+)\]\(#", text, re.MULTILINE) == re.findall(r"^## (.+)$", text, re.MULTILINE)
