"""What a model costs: time, memory and size, measured in a process of its own beside the champion's."""

from __future__ import annotations

import json
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import exp, inf, log
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xops.checks.battery import resources_child
from xops.checks.battery.answers import BadAnswer, NoAnswer, Unmeasured
from xops.checks.battery.process_tree import MEGABYTE, end, held_beneath, limit_of
from xops.core.errors import FOREIGN, Misconfigured, bounded
from xops.core.model.intervals import Interval, interval_from
from xops.core.numerics import np
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from xops.checks.battery.contender import Contender
    from xops.checks.battery.exam import Exam

_UNITS = {
    "row_seconds": "s",
    "batch_seconds": "s",
    "rows_per_second": "1/s",
    "load_seconds": "s",
    "peak_megabytes": "MB",
    "size_megabytes": "MB",
}
STOPPED = "stopped"  # of a finding's detail: by model, why it is not to be asked in this process
_SINGLES = 5
_LOOK = 0.1  # seconds between two looks at what a process has started
_LEAST = 1e-9  # seconds and megabytes, below which nothing is told apart


@dataclass(frozen=True, slots=True)
class Resources:
    """Time, memory and size of a model, against limits and against the champion's, measured side by side.

    Each model is pickled and loaded in a process of its own; both take turns, round by round, so a machine that is busy
    is busy for both. Measured are ``row_seconds`` and ``batch_seconds`` (the mean of rounds on the scale of logarithms,
    with Student's interval), ``rows_per_second`` of the batch, ``load_seconds`` with the import of libraries,
    ``peak_megabytes`` of resident memory beyond that of the rows and without mapped files, and ``size_megabytes`` of
    its files as they are stored (of its pickle where it was handed over as an object). A model that takes more memory
    or time than allowed is killed with the processes that it started, whose memory counts as its own, and fails; memory
    is bounded on Linux. One that cannot be pickled is unknown, and no other check asks it: nothing would end it here.

    :param limits: by what is measured the largest value allowed, inclusive; of ``rows_per_second`` the least.
    :param ratios: the same as a multiple of the champion's.
    :param batch_rows: the rows of a batch.
    :param rounds: how often each is measured, at least 3.
    :param allowed_megabytes: of memory; a model that wants 256 more is stopped.
    :param timeout: seconds for loading a model, and for each round.
    :param confidence: of each interval, in (0, 1).
    :raises Misconfigured: when nothing is asked for, or something that is not measured.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)
    batch_rows: int = 1000
    rounds: int = 10
    allowed_megabytes: float = 2000
    timeout: float = 60
    confidence: float = 0.95
    name: ClassVar[str] = "resources"

    def __post_init__(self) -> None:
        strange = [one for one in (*self.limits, *self.ratios) if one not in _UNITS]
        if strange or not (self.limits or self.ratios):
            raise Misconfigured(f"resources: limits of {tuple(_UNITS)} were wanted, found {strange or 'none'}")
        if self.rounds < 3 or self.batch_rows < 1:  # noqa: PLR2004
            raise Misconfigured("resources: rounds from 3 and batch_rows from 1 on were wanted")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for each limit and each ratio."""
        if not exam.rows:
            raise Unmeasured("the exam has no rows")
        rival = exam.champion if self.ratios else None
        own, other = self._both(exam, exam.candidate, rival)
        if isinstance(own, Unmeasured):
            subject = exam.candidate.name
            return [Finding(self.name, subject, own.outcome, size=exam.rows, reason=str(own), detail=_stopped(own))]
        found = [self._limit(exam, what, limit, own) for what, limit in self.limits.items()]
        if rival is None:
            return found or [self._unknown(exam, "resources", "there is no champion to be compared with")]
        return found + [self._ratio(exam, what, limit, own, other) for what, limit in self.ratios.items()]

    def _both(self, exam: Exam, candidate: Contender, champion: Contender | None) -> tuple[Any, Any]:
        """Measure both, round by round; one that cannot be measured leaves its reason in place of its figures."""
        with self._child(exam, candidate) as own, self._child(exam, champion) as other:
            for _round in range(self.rounds):
                for one in (own, other):
                    one.measure(_SINGLES, self.timeout)
            return own.figures(self.batch_rows), other.figures(self.batch_rows)

    @contextmanager
    def _child(self, exam: Exam, contender: Contender | None) -> Iterator[_Child]:
        import cloudpickle

        if contender is None:
            yield _Child("", None, 0, Unmeasured("there is no champion"))
            return
        with tempfile.TemporaryDirectory(prefix="xops-resources-") as place:
            folder, name = Path(place), contender.name
            if contender.refused:
                yield _Child(name, None, 0, BadAnswer(name, f"was not loaded: {contender.refused}"))
                return
            absent = [column for column in contender.columns if column not in exam.frame.columns]
            if absent:
                yield _Child(name, None, 0, BadAnswer(name, f"needs the columns {absent}, the rows lack them"))
                return
            places = np.arange(self.batch_rows) % exam.rows
            rows = exam.frame[list(contender.columns)].iloc[places].reset_index(drop=True)
            try:
                (folder / "model.pickle").write_bytes(cloudpickle.dumps(contender.model))
            except FOREIGN as error:  # whatever a foreign model raises, it cannot be handed over
                why = f"cannot be pickled for a process of its own: {bounded(repr(error), 200)}"
                yield _Child(name, None, 0, Unhanded(name, why))
                return
            (folder / "rows.pickle").write_bytes(pickle.dumps(rows))
            (folder / "path.json").write_text(json.dumps(sys.path))
            allowed = limit_of(self.allowed_megabytes)
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and a file of this package
                [sys.executable, resources_child.__file__, str(folder), str(allowed)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={"OMP_WAIT_POLICY": "passive"} | os.environ,  # threads that spin would time the other processes
                start_new_session=True,
            )  # fmt: skip
            size = contender.size or (folder / "model.pickle").stat().st_size
            child = _Child(name, process, size, allowed=self.allowed_megabytes)
            try:
                child.load(self.timeout)
                yield child
            finally:
                end(process.pid)
                process.communicate()

    def _limit(self, exam: Exam, what: str, limit: float, own: _Figures) -> Finding:
        return self._held(exam, what, own.interval(what, self.confidence), limit, _UNITS[what])

    def _ratio(self, exam: Exam, what: str, limit: float, own: _Figures, other: Any) -> Finding:
        check = f"{what}_ratio"
        if isinstance(other, Unmeasured):
            return self._unknown(exam, check, str(other), limit, _stopped(other))
        ratio = own.over(other, what, self.confidence)
        sides = {"candidate": own.interval(what, self.confidence), "champion": other.interval(what, self.confidence)}
        detail = {side: {"value": one.value, "interval": one.ends} for side, one in sides.items()}
        return self._held(exam, check, ratio, limit, "", detail=detail)

    @staticmethod
    def _unknown(exam: Exam, check: str, why: str, limit: float | None = None, detail: Any = None) -> Finding:
        return Finding(check, exam.candidate.name, Outcome.UNKNOWN, limit=limit, reason=why, detail=detail)

    def _held(self, exam: Exam, check: str, found: Interval, limit: float, unit: str, *, detail: Any = None) -> Finding:
        least = check.startswith("rows_per_second")
        sign = -1 if least else 1
        low, high = sorted((sign * found.low, sign * found.high))
        outcome = Outcome.PASS if high <= sign * limit else Outcome.FAIL if low > sign * limit else Outcome.UNKNOWN
        why = f"{found}; at {'least' if least else 'most'} {limit} wanted"
        why += "; too few rounds to tell" if outcome is Outcome.UNKNOWN else ""
        return Finding(
            check,
            exam.candidate.name,
            outcome,
            found.value,
            limit,
            unit,
            reason=why,
            interval=found.ends,
            detail=detail,
        )


class Stopped(BadAnswer):
    """A model ended its process, or took more time or memory than it may: here it would end this one."""


class Unhanded(NoAnswer):
    """A model cannot be given to a process of its own: here nothing would end it when it takes too much or hangs."""


def _stopped(why: Unmeasured) -> dict[str, Any] | None:
    if not isinstance(why, Stopped | Unhanded):
        return None
    said = str(why).removeprefix(f"{why.name} ")
    return {STOPPED: {why.name: f"in a process of its own it {said}" if isinstance(why, Stopped) else f"it {said}"}}


@dataclass(frozen=True, slots=True)
class _Figures:
    """What was measured of one model, each in shape (rounds,) or (1,)."""

    measured: Mapping[str, list[float]]

    def interval(self, what: str, confidence: float) -> Interval:
        return _geometric([log(max(one, _LEAST)) for one in self.measured[what]], confidence)

    def over(self, other: _Figures, what: str, confidence: float) -> Interval:
        pairs = zip(self.measured[what], other.measured[what], strict=True)
        return _geometric([log(max(one, _LEAST) / max(two, _LEAST)) for one, two in pairs], confidence)


def _geometric(logs: list[float], confidence: float) -> Interval:
    """Give the geometric mean with Student's interval; of one value, that value."""
    values, number = np.array(logs), len(logs)
    mean = float(values.mean())
    if number == 1:
        return Interval(exp(mean), exp(mean), exp(mean), 0.0, 1, confidence, "measured once")
    found = interval_from(mean, (values.sum() - values) / (number - 1), None, confidence=confidence)
    low, high = exp(found.low), exp(min(found.high, 700.0))
    return Interval(exp(mean), low, high, exp(mean) * found.error, number, confidence, "student")


class _Child:
    """The process of one model, until it answers no more."""

    def __init__(self, name: str, process: Any, size: int, why: Unmeasured | None = None, allowed: float = inf) -> None:
        self.name, self.process, self.size, self.why, self.allowed = name, process, size, why, allowed
        self.beneath = 0  # the most bytes that the processes which it started were seen to hold
        self.loaded: dict[str, Any] = {}
        self.rounds: list[dict[str, float]] = []

    def load(self, timeout: float) -> None:
        self.loaded = self._answer(timeout)
        if self.why is None and self._peak() > self.allowed:
            self.why = Stopped(self.name, f"took {self._peak():.0f} MB of memory, {self.allowed} are allowed")

    def measure(self, singles: int, timeout: float) -> None:
        if self.why is None:
            with suppress(BrokenPipeError):  # it has ended, which the answer says
                self.process.stdin.write(f"{singles}\n".encode())
                self.process.stdin.flush()
            if given := self._answer(timeout):
                self.rounds.append(given)

    def figures(self, rows: int) -> _Figures | Unmeasured:
        if self.why is not None:
            return self.why
        measured = {what: [one[what] for one in self.rounds] for what in ("row_seconds", "batch_seconds")}
        return _Figures(
            {
                **measured,
                "rows_per_second": [rows / max(one, _LEAST) for one in measured["batch_seconds"]],
                "load_seconds": [self.loaded["load_seconds"]],
                "peak_megabytes": [self._peak()],
                "size_megabytes": [self.size / MEGABYTE],
            }
        )

    def _peak(self) -> float:
        return float(self.loaded["peak_bytes"] + self.beneath) / MEGABYTE

    def _grown(self) -> bool:
        """Tell whether what it started holds too much; each process by itself is limited where it runs."""
        self.beneath = max(self.beneath, held_beneath(self.process.pid))
        return self.beneath > limit_of(self.allowed)

    def _answer(self, timeout: float) -> dict[str, Any]:
        """Read one line; without one, kill the process and keep the reason."""
        line = line_of(self.process.stdout, time.monotonic() + timeout, self._grown)
        given: dict[str, Any] = json.loads(line) if line else {}
        if given and not {"raised", "out_of_memory"} & set(given):
            return given
        if given.get("raised"):
            self.why = BadAnswer(self.name, f"cannot answer in a process of its own: {given['raised']}")
        elif given or self._grown():
            self.why = Stopped(self.name, "took more memory than it is allowed, and was stopped")
        elif line is None:
            self.why = Stopped(self.name, f"gave no answer in {timeout} s, and was killed")
        else:
            self.why = Stopped(self.name, f"ended its process, with code {self.process.wait()}")
        end(self.process.pid)
        return {}


def line_of(stream: Any, deadline: float, stop: Callable[[], bool] = lambda: False) -> bytes | None:
    """Read a line of a pipe; empty at its end, None when the deadline is past or ``stop``, asked meanwhile, says so."""
    read = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(stream, selectors.EVENT_READ)
        while not read.endswith(b"\n"):
            left = max(deadline - time.monotonic(), 0)
            ready = waiting.select(min(left, _LOOK))
            if stop() or not (ready or left):
                return None
            if not ready:
                continue
            piece = stream.read1(4096)
            if not piece:
                return b""
            read += piece
    return read
