"""What a task read and wrote, and what was found of it: the facts, before anybody's format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from xops.core.verdict import Finding, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dataset is, as lineage names it.

    :param namespace: the catalog, the bucket, or ``file``.
    :param name: the dataset in it.
    """

    namespace: str
    name: str

    @property
    def uri(self) -> str:
        """One address of both, fit for an asset."""
        if self.namespace == "file":
            return f"file://{self.name}"
        return f"{self.namespace}/{self.name.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Source:
    """A column that another was made from."""

    place: Place
    column: str


@dataclass(frozen=True, slots=True)
class Touched:
    """A dataset that a task read or wrote.

    :param version: its version; empty where it has none.
    :param columns: types by column, of those that were read or written, in order.
    :param rows: how many rows were read or written; None where nobody counted.
    :param nulls: of the columns that were read, how many rows have no value.
    :param made_from: for a column that was written, the columns it was made from, where that is known.
    """

    place: Place
    version: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    nulls: Mapping[str, int] = field(default_factory=dict)
    made_from: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)

    def together(self, other: Touched) -> Touched:
        """Give what is known when the same version is touched again: all columns, and the most rows."""
        counted = [rows for rows in (self.rows, other.rows) if rows is not None]
        return replace(
            self,
            columns={**self.columns, **other.columns},
            rows=max(counted, default=None),
            nulls={**self.nulls, **other.nulls},
            made_from={**self.made_from, **other.made_from},
        )


class Trace:
    """What one task touched and judged so far, in the order of the first touch."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[Place, str], Touched] = {}
        self._outputs: dict[tuple[Place, str], Touched] = {}
        self.verdicts: list[Verdict] = []

    @property
    def inputs(self) -> tuple[Touched, ...]:
        """What was read."""
        return tuple(self._inputs.values())

    @property
    def outputs(self) -> tuple[Touched, ...]:
        """What was written."""
        return tuple(self._outputs.values())

    def read(self, touched: Touched) -> None:
        """Note that a dataset was read."""
        _note(self._inputs, touched)

    def wrote(self, touched: Touched) -> None:
        """Note that a dataset was written."""
        _note(self._outputs, touched)

    def judged(self, verdict: Verdict) -> None:
        """Note what was found."""
        self.verdicts.append(verdict)

    def verdicts_on(self, touched: Touched) -> list[Verdict]:
        """Give the verdicts about an input: those of its name and version, and on the first input those of no other."""
        first = bool(self.inputs) and touched is self.inputs[0]
        return [
            verdict
            for verdict in self.verdicts
            if verdict.subject in _subjects(touched)
            or (first and not any(verdict.subject in _subjects(other) for other in self.inputs))
        ]


def _note(into: dict[tuple[Place, str], Touched], touched: Touched) -> None:
    key = (touched.place, touched.version)
    into[key] = into[key].together(touched) if key in into else touched


def _subjects(touched: Touched) -> tuple[str, str]:
    """Give what a verdict about a data version, or about a model version, has as its subject."""
    return f"{touched.place.name}@{touched.version}", f"models:/{touched.place.name}/{touched.version}"


def place_of(url: str) -> Place:
    """Give the place of a file or a folder, without the connection or the credentials that its URL may name."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Place("file", parts.path)
    host = parts.netloc.rpartition("@")[2]
    return Place(f"{parts.scheme}://{host}", parts.path.strip("/") or "/")


def sources_of(record: str) -> tuple[Place, ...]:
    """Give the places of a delivery from the record that a staged version keeps of it, or from a plain address."""
    if not record:
        return ()
    try:
        delivery = json.loads(record)
    except ValueError:
        return (place_of(record),)
    files = tuple(place_of(file["url"]) for file in delivery["files"])
    return files or (Place("source", delivery["name"]),)


# How Airflow's own data-quality provider weighs a rule that only warned.
_WARNED = 0.25
_WORDS = {Outcome.PASS: "passed", Outcome.WARN: "warned", Outcome.FAIL: "failed", Outcome.UNKNOWN: "errored"}


def quality_summary(verdicts: Iterable[Verdict], *, run: str, suite: str, table: str) -> dict[str, object]:
    """Give verdicts in the form that Airflow's data-quality provider puts onto asset events.

    What was not measured counts as an error: it takes a whole point from the score, as a failure does.

    :param run: hexadecimal digits that name the run of the checks.
    :returns: ``score`` in [0, 1], 1 minus the mean penalty, rounded to 4 places; None where nothing was found.
    """
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    counts = {word: sum(finding.outcome is outcome for finding in findings) for outcome, word in _WORDS.items()}
    penalty = counts["failed"] + counts["errored"] + _WARNED * counts["warned"]
    return {
        "run_uid": run,
        "ruleset": suite,
        "table": table,
        "score": round(1.0 - penalty / len(findings), 4) if findings else None,
        **counts,
        "failed_rules": sorted(_rule(finding) for finding in findings if not finding.outcome.passes),
        "warned_rules": sorted(_rule(finding) for finding in findings if finding.outcome is Outcome.WARN),
    }


def _rule(finding: Finding) -> str:
    return f"{finding.check} on {finding.subject}"
