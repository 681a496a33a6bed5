"""The store, on a folder and on S3 alike: objects, evidence, the promotion log, and retrain requests."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from xops.core.errors import Fenced, Misconfigured, Unavailable
from xops.core.evidence import Origin
from xops.core.model.promotion import Entry, Kind, champion, entry_path
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.models.promotion_log import CHECKPOINT, PromotionLog
from xops.hooks.models.retrain_requests import RetrainRequests
from xops.hooks.store.evidence import EvidenceStore
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration

MODEL = "flights_delay"
ORIGIN = Origin("flights_training", "run 1", "evaluate")


@pytest.fixture
def on_s3(moto, s3_at, tmp_path):
    s3_at(moto)
    return f"s3://xops_s3@evidence/{tmp_path.name}"


@pytest.fixture(params=["a folder", "S3"])
def url(request, tmp_path):
    """Give the URL of an empty store of each kind."""
    return str(tmp_path / "store") if request.param == "a folder" else request.getfixturevalue("on_s3")


@pytest.fixture
def objects(url):
    return Objects(url)


@pytest.fixture
def store(objects):
    return EvidenceStore(objects)


@pytest.fixture
def requests(objects):
    return RetrainRequests(MODEL, objects)


def verdict(outcome=Outcome.PASS, subject="models:/flights_delay/2", observed=0.7):
    return Verdict("evaluation", subject, (Finding("auc", subject, outcome, observed, 0.6, size=900),), {"auc": 0.7})


def entry(number, key="key", version="1", previous=None):
    return Entry(
        number=number,
        model=MODEL,
        previous=previous,
        version=version,
        kind=Kind.PROMOTE,
        manifest="manifest",
        key=key,
        by="flights_training",
        reason="it ranks better",
        at="2024-02-01T00:00:00+00:00",
    )


def promote(key, version):
    """Give what a promoter proposes: an entry at the end of the log as it stands."""
    return lambda log: entry(len(log) + 1, key, version, champion(log))


def test_of_sixteen_that_create_an_object_at_once_one_wins(objects):
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda writer: objects.create("race/1", f"writer {writer}".encode()), range(16)))
    assert won.count(True) == 1
    assert objects.get("race/1") == f"writer {won.index(True)}".encode()


def test_an_object_is_written_over_read_and_listed(objects):
    for content in (b"first", b"second"):
        objects.put("a/b.json", content)
    objects.put("ab/c.json", b"")
    assert objects.get("a/b.json") == b"second"
    assert objects.get("ab/c.json") == b""
    assert objects.get("a/none.json") is None
    assert objects.paths("a/") == ["a/b.json"]
    assert objects.paths("none/") == []


def test_a_second_handle_sees_what_the_first_wrote(objects, url):
    objects.put_json("a/1.json", {"é": [1, float("nan")]})
    assert list(Objects(url).all_json("a/")) == [{"é": [1, "NaN"]}]


def test_evidence_comes_back_as_it_went_in(store):
    recorded = store.record(verdict(), origin=ORIGIN, about=MODEL, batch="2013-03", html=b"<p>it ranks better</p>")
    assert store.about("evaluation", MODEL) == [recorded]
    assert store.latest("evaluation", MODEL, "2013-03") == recorded
    assert recorded.verdict == verdict()
    assert store.report(recorded.report) == ("flights_training", b"<p>it ranks better</p>")


def test_evidence_is_found_by_check_subject_and_batch_and_no_other(store):
    for about, batch in ((MODEL, "2013-03"), (MODEL, "2013-03-b"), (MODEL, ""), ("flights_delay_2", "2013-03")):
        store.record(verdict(), origin=ORIGIN, about=about, batch=batch)
    assert [evidence.batch for evidence in store.about("evaluation", MODEL, "2013-03")] == ["2013-03"]
    assert sorted(evidence.batch for evidence in store.about("evaluation", MODEL)) == ["", "2013-03", "2013-03-b"]
    assert store.about("drift", MODEL) == []
    assert store.latest("evaluation", MODEL, "2013-04") is None


def test_a_retried_task_rewrites_its_evidence_and_a_mapped_one_adds_its_own(store):
    first = store.record(verdict(Outcome.FAIL), origin=ORIGIN, about=MODEL, batch="2013-03")
    again = store.record(verdict(), origin=ORIGIN, about=MODEL, batch="2013-03")
    assert again.path == first.path
    assert store.about("evaluation", MODEL) == [again]
    mapped = Origin(ORIGIN.dag_id, ORIGIN.run_id, ORIGIN.task_id, 0)
    store.record(verdict(), origin=mapped, about=MODEL, batch="2013-03")
    assert len(store.about("evaluation", MODEL, "2013-03")) == 2


@pytest.mark.parametrize(
    "report",
    [
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/x",
        "/etc/passwd",
        "x" * 32,
        "A" * 32,
        "a" * 31,
        "a" * 33,
        "a" * 31 + "/",
        "a" * 31 + "\n",
        "\x00" * 32,
        "²" * 32,
        "a" * 32,
        "",
    ],
)
def test_what_is_no_report_s_id_gives_no_report(store, report):
    store.record(verdict(), origin=ORIGIN, about=MODEL, html=b"<p></p>")
    store.objects.put("passwd", b"secret")
    assert store.report(report) is None


def test_racing_promoters_write_one_entry_each_without_gaps(objects, url):
    with ThreadPoolExecutor(8) as threads:
        logs = [PromotionLog(MODEL, Objects(url)) for _ in range(8)]
        wrote = list(
            threads.map(
                lambda place: logs[place].append(f"key {place}", 1, promote(f"key {place}", str(place))), range(8)
            )
        )
    log = PromotionLog(MODEL, objects).read()
    assert [written.number for written in log] == list(range(1, 9))
    assert sorted(wrote, key=lambda written: written.number) == list(log)
    assert {written.key for written in log} == {f"key {place}" for place in range(8)}
    assert [written.previous for written in log] == [None, *(written.version for written in log[:-1])]


def test_a_promoter_that_asks_again_finds_its_own_entry(objects):
    log = PromotionLog(MODEL, objects)
    first = log.append("key 1", 1, promote("key 1", "1"))
    log.append("key 2", 1, promote("key 2", "2"))
    assert log.append("key 1", 2, promote("key 1", "9")) == first
    assert len(log.read()) == 2


def test_two_attempts_of_one_task_at_once_write_one_entry(objects, url):
    with ThreadPoolExecutor(8) as threads:
        wrote = list(
            threads.map(lambda _: PromotionLog(MODEL, Objects(url)).append("key", 1, promote("key", "1")), range(8))
        )
    assert set(wrote) == set(PromotionLog(MODEL, objects).read())
    assert len(set(wrote)) == 1


def test_an_attempt_whose_answer_was_lost_finds_its_own_entry(objects):
    class Forgetful(Objects):
        """Writes, and then says that somebody else did, as a client does that retried after a lost answer."""

        def create(self, path, content):
            super().create(path, content)
            return False

    log = PromotionLog(MODEL, Forgetful(objects.url))
    assert log.append("key", 1, promote("key", "1")) == entry(1)
    assert log.read() == (entry(1),)


def test_a_fenced_attempt_appends_nothing(objects):
    log = PromotionLog(MODEL, objects)
    log.claim("key", 1)
    log.claim("key", 2)
    with pytest.raises(Fenced, match="promotion log of flights_delay: attempt 2 of this task has started; attempt 1"):
        log.append("key", 1, promote("key", "1"))
    assert log.read() == ()
    assert log.append("key", 2, promote("key", "1")).number == 1


def test_an_attempt_that_is_overtaken_while_it_proposes_appends_nothing(objects):
    log = PromotionLog(MODEL, objects)
    log.claim("key", 9)

    def slowly(read):
        log.claim("key", 10)  # the orphan slept; meanwhile the scheduler started attempt 10
        return entry(len(read) + 1)

    with pytest.raises(Fenced):
        log.append("key", 9, slowly)
    assert log.read() == ()


def test_a_claim_of_one_task_fences_no_other(objects):
    log = PromotionLog(MODEL, objects)
    log.claim("key 1", 7)
    assert log.append("key 2", 1, promote("key 2", "1")).number == 1


def test_a_promoter_that_refuses_appends_nothing(objects):
    def refuse(log):
        raise Misconfigured("no")

    with pytest.raises(Misconfigured, match="no"):
        PromotionLog(MODEL, objects).append("key", 1, refuse)
    assert PromotionLog(MODEL, objects).read() == ()


def test_a_log_with_a_missing_entry_is_not_read(objects):
    for number in (1, 2, 4):
        objects.create_json(entry_path(MODEL, number), entry(number, key=f"key {number}").to_json())
    with pytest.raises(ValueError, match=r"entries 1 to 3 were wanted, found \[1, 2, 4\]"):
        PromotionLog(MODEL, objects).read()


def test_a_long_log_is_read_from_its_checkpoint_and_the_entries_after_it(objects):
    log = PromotionLog(MODEL, objects)
    for number in range(1, 2 * CHECKPOINT + 6):
        log.append(f"key {number}", 1, promote(f"key {number}", str(number)))
    read = log.read()
    assert [found.number for found in read] == list(range(1, 2 * CHECKPOINT + 6))
    (checkpoint,) = objects.paths("checkpoints/")
    assert checkpoint.endswith("00000200.json")
    objects.delete(checkpoint)
    assert log.read() == read  # a checkpoint is a copy: nothing is lost with it


def test_a_promoter_that_was_slow_to_copy_the_log_drops_no_newer_copy(objects):
    log = PromotionLog(MODEL, objects)
    entries = tuple(entry(number, key=f"key {number}") for number in range(1, 2 * CHECKPOINT + 1))
    log._checkpoint(entries)
    log._checkpoint(entries[:CHECKPOINT])
    assert log.read() == entries


def test_a_log_of_ten_thousand_entries_is_read_within_a_second(objects):
    log, checkpointed = PromotionLog(MODEL, objects), 10_000
    entries = tuple(entry(number, key=f"key {number}") for number in range(1, checkpointed + 51))
    log._checkpoint(entries[:checkpointed])
    for late in entries[checkpointed:]:
        objects.create_json(entry_path(MODEL, late.number), late.to_json())
    began = time.process_time()
    assert log.read() == entries
    assert time.process_time() - began < 1


def test_a_request_is_open_until_a_training_answers_it(requests):
    requests.open("2013-05", {"reasons": ["stale"]})
    requests.open("2013-07", {"reasons": ["stale"]})
    assert [request["batch"] for request in requests.still_open()] == ["2013-05", "2013-07"]
    requests.close("2013-05", {"version": "2"})
    assert [request["batch"] for request in requests.still_open()] == ["2013-07"]
    assert requests.asked() == ["2013-05", "2013-07"]


def test_asking_or_answering_again_changes_nothing(requests, objects):
    requests.open("2013-05", {"reasons": ["first"]})
    requests.open("2013-05", {"reasons": ["second"]})
    assert [request["reasons"] for request in requests.still_open()] == [["first"]]
    requests.close("2013-05", {"version": "2"})
    requests.close("2013-05", {"version": "3"})
    requests.open("2013-05", {"reasons": ["third"]})
    assert requests.still_open() == []
    assert [answer["version"] for answer in objects.all_json(f"requests/{MODEL}/closed/")] == ["2"]


def test_a_decision_is_kept_once_for_each_task(requests):
    for reasons in (["too early"], ["stale"]):
        requests.record_decision("key 1", {"decision": "wait", "reasons": reasons})
    requests.record_decision("key 2", {"decision": "retrain", "reasons": []})
    assert [(kept["decision"], kept["reasons"]) for kept in requests.decisions()] == [
        ("wait", ["stale"]),
        ("retrain", []),
    ]


def test_models_do_not_share_requests_or_logs(objects):
    RetrainRequests("flights", objects).open("2013-05", {})
    PromotionLog("flights", objects).append("key", 1, promote("key", "1"))
    assert RetrainRequests(MODEL, objects).still_open() == []
    assert PromotionLog(MODEL, objects).read() == ()


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor,airflow.providers.amazon.AwsBatchExecutor"])
@pytest.mark.parametrize("place", ["", "/srv/xops", "file:///srv/xops"])
def test_a_folder_is_refused_where_tasks_run_on_several_machines(monkeypatch, executor, place):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(Misconfigured) as refused:
        Objects(place)
    assert place in str(refused.value)
    assert "do not share this folder" in str(refused.value)
    assert "set [xops] store (AIRFLOW__XOPS__STORE) to a bucket: s3://conn_id@bucket/prefix" in str(refused.value)


def test_a_bucket_is_shared_by_several_machines(monkeypatch, on_s3):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__XOPS__STORE", on_s3)
    assert Objects.configured().create("a", b"")


def test_an_s3_that_refuses_connections_is_unavailable_at_once(s3_at, nobody_listens):
    s3_at(nobody_listens)
    objects = Objects("s3://xops_s3@evidence/prefix")
    for call in (
        objects.get,
        objects.paths,
        lambda path: objects.put(path, b""),
        lambda path: objects.create(path, b""),
    ):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="evidence store s3://xops_s3@evidence/prefix: ") as lost:
            call("a/")
        assert time.monotonic() - began < 5
        assert len(str(lost.value)) < 600


def test_credentials_stay_out_of_what_is_said(s3_at, nobody_listens, everything_said):
    s3_at(nobody_listens)
    with pytest.raises(Unavailable) as lost:
        Objects("s3://xops_s3@evidence/prefix").get("a")
    given = json.loads(os.environ["AIRFLOW_CONN_XOPS_S3"])
    for said in (str(lost.value), repr(lost.value.__cause__), everything_said()):
        assert given["password"] not in said


def test_a_bucket_that_does_not_exist_is_not_taken_for_an_empty_store(moto, s3_at):
    s3_at(moto)
    objects = Objects("s3://xops_s3@no-such-bucket/prefix")
    for call in (
        objects.get,
        objects.paths,
        lambda path: objects.put(path, b""),
        lambda path: objects.create(path, b""),
    ):
        with pytest.raises(Misconfigured, match="no-such-bucket"):
            call("a/")


def test_a_connection_that_does_not_exist_is_named():
    with pytest.raises(Misconfigured, match=r"Airflow connection no_such_connection .* does not exist"):
        Objects("s3://no_such_connection@bucket/prefix")


@pytest.mark.parametrize("place", ["nonsense://bucket", "ftp://host/folder"])
def test_a_store_of_no_kind_that_there_is_is_named(place):
    with pytest.raises(Misconfigured, match=place):
        Objects(place)


def test_a_relative_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Misconfigured, match="absolute"):
        Objects("store")


def test_a_tilde_means_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Objects("~/store").put("a", b"")
    assert (tmp_path / "home" / "store" / "a").exists()
