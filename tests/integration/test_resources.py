"""Resources: a slow, a large and a greedy model are caught beside the champion, a fine one passes."""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xops.checks.battery.check import findings_of
from xops.checks.battery.contender import Contender
from xops.checks.battery.exam import Exam
from xops.checks.battery.resources import Resources
from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome

pytestmark = pytest.mark.integration

FRAME = pd.DataFrame({"x": np.arange(50.0)})
TARGET = FRAME["x"].to_numpy() * 2
LIMITS = {"row_seconds": 0.9, "batch_seconds": 0.9, "rows_per_second": 100, "size_megabytes": 1, "peak_megabytes": 100,
          "load_seconds": 20}  # fmt: skip
RATIOS = {"row_seconds": 10.0, "batch_seconds": 10.0, "size_megabytes": 2.0}
TIMES = {"row_seconds", "batch_seconds", "rows_per_second", "row_seconds_ratio", "batch_seconds_ratio"}


class Model:
    """A model that takes a while, or memory, in the named places."""

    def __init__(self, *, seconds=0.02, batch=0.0, load=0.0, weight=0, takes=0, ends=False, forks=0):
        self.seconds, self.batch, self.load, self.takes, self.ends = seconds, batch, load, takes, ends
        self.forks = forks
        self.weight = bytes(weight)

    def __setstate__(self, state):
        self.__dict__ = state
        time.sleep(self.load)

    def predict(self, frame):
        print("not an answer")  # noqa: T201
        if self.ends:
            sys.exit(3)
        for _ in range(self.forks):
            if len(frame) > 1 and os.fork() == 0:
                kept = np.ones(self.takes, dtype=np.uint8)
                time.sleep(60)
                os._exit(int(kept[0]))
        np.ones(0 if self.forks else self.takes, dtype=np.uint8)
        time.sleep(self.seconds + (self.batch if len(frame) > 1 else 0))
        return frame["x"].to_numpy() * 2


class Mapped(Model):
    """A model that keeps a file mapped, as the code of libraries is."""

    def __init__(self, file, **costs):
        super().__init__(**costs)
        self.file = file

    def predict(self, frame):
        self.pages = np.memmap(self.file, dtype=np.uint8, mode="r")
        self.pages.max()
        return super().predict(frame)


def judged(candidate, check, champion=None):
    rival = None if champion is None else Contender("m/1", champion, ("x",))
    exam = Exam(FRAME, TARGET, "regression", Contender("m/2", candidate, ("x",)), rival)
    return {finding.check: finding for finding in findings_of(check, exam)}


def against(found):
    return {check for check, finding in found.items() if finding.outcome is not Outcome.PASS}


def test_a_fine_model_passes_beside_the_champion():
    found = judged(Model(), Resources(LIMITS, RATIOS, batch_rows=100, rounds=5), Model())
    assert {str(found[check]) for check in against(found)} == set()
    assert set(found) == {*LIMITS, "row_seconds_ratio", "batch_seconds_ratio", "size_megabytes_ratio"}
    assert 0.02 <= found["row_seconds"].observed <= 0.5
    low, high = found["row_seconds_ratio"].interval
    assert low <= found["row_seconds_ratio"].observed <= high
    assert found["size_megabytes"].observed < 0.01


@pytest.mark.parametrize(
    ("candidate", "caught", "along"),
    [
        (Model(batch=1.2), {"batch_seconds", "batch_seconds_ratio", "rows_per_second"}, set()),
        (Model(weight=2_000_000), {"size_megabytes", "size_megabytes_ratio"}, set()),
        (Model(takes=200_000_000), {"peak_megabytes"}, TIMES),
    ],
    ids=["slow", "large", "greedy"],
)
def test_a_model_that_costs_too_much_in_one_way_is_caught(candidate, caught, along):
    limits = {**LIMITS, "rows_per_second": 200}
    found = judged(candidate, Resources(limits, RATIOS, batch_rows=100, rounds=3), Model())
    assert against(found) - along == caught  # to fill memory takes its time
    assert {found[check].outcome for check in caught} == {Outcome.FAIL}


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (Model(takes=3_000_000_000), "m/2 took more memory than it is allowed, and was stopped"),
        (Model(takes=325_000_000), "m/2 took 33. MB of memory, 300 are allowed"),  # with what this module imports
        (Model(seconds=60), "m/2 gave no answer in 5 s, and was killed"),
        (Model(load=60), "m/2 gave no answer in 5 s, and was killed"),
        (Model(ends=True), "m/2 ended its process, with code 3"),
    ],
    ids=["ten times the memory", "some more", "slow", "slow to load", "dies"],
)
def test_a_model_that_takes_more_than_it_may_is_killed_and_fails(candidate, said):
    start = time.monotonic()
    found = judged(candidate, Resources(LIMITS, allowed_megabytes=300, timeout=5))
    assert found["resources"].outcome is Outcome.FAIL
    assert pd.Series(found["resources"].reason).str.fullmatch(said).all(), found["resources"].reason
    assert time.monotonic() - start < 30


def test_pages_of_files_and_the_pickle_itself_are_no_memory_of_the_model(tmp_path):
    file = tmp_path / "pages"
    file.touch()
    os.truncate(file, 200_000_000)
    found = judged(Mapped(file, weight=50_000_000), Resources({"peak_megabytes": 1}, rounds=3))
    assert 50 < found["peak_megabytes"].observed < 80


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (Model(takes=150_000_000, forks=5, seconds=60), "m/2 took more memory than it is allowed, and was stopped"),
        (Model(takes=170_000_000, forks=2, seconds=4), r"m/2 took [3-4]\d\d MB of memory, 300 are allowed"),
    ],
    ids=["a lot", "some more"],
)
def test_the_memory_of_processes_that_a_model_starts_is_its_own_and_they_end_with_it(
    candidate, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = judged(candidate, Resources(LIMITS, allowed_megabytes=300, timeout=50))
    assert found["resources"].outcome is Outcome.FAIL
    assert pd.Series(found["resources"].reason).str.fullmatch(said).all(), found["resources"].reason
    commands = [Path(f"/proc/{one.name}/cmdline") for one in Path("/proc").iterdir() if one.name.isdigit()]
    assert not [one for one in commands if one.exists() and str(tmp_path) in one.read_text()]


def test_what_cannot_be_measured_is_unknown():
    unpicklable = Model()
    unpicklable.of = threading.Lock()
    found = judged(unpicklable, Resources(LIMITS))
    assert (found["resources"].outcome, found["resources"].reason[:23]) == (Outcome.UNKNOWN, "m/2 cannot be pickled f")
    found = judged(Model(), Resources(ratios={"row_seconds": 1}))
    assert found["resources"].reason == "there is no champion to be compared with"
    found = judged(Model(), Resources(ratios={"row_seconds": 1}, rounds=3), unpicklable)
    assert found["row_seconds_ratio"].outcome is Outcome.UNKNOWN
    with pytest.raises(Misconfigured, match=r"found \['money'\]"):
        Resources({"money": 1})
    with pytest.raises(Misconfigured, match="rounds from 3"):
        Resources(LIMITS, rounds=1)
