"""Known vulnerabilities of Python packages: which advisories are about a version, and how severe they are.

Source: Open Source Vulnerability format 1.7 (https://ossf.github.io/osv-schema); CVSS 3.1 specification, section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

SEVERITIES = ("low", "moderate", "high", "critical")
_ECOSYSTEM = "PyPI"
_SCORED = ("CVSS_V3", "CVSS_V4")  # both use the same words for the same scores
_SCORES = ((9.0, "critical"), (7.0, "high"), (4.0, "moderate"), (0.1, "low"))
_WEIGHTS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES_OUTSIDE = {"N": 0.85, "L": 0.68, "H": 0.5}  # where a scope is left


@dataclass(frozen=True, slots=True)
class Advisory:
    """What one advisory says of one package.

    :param names: its own id first, then other names of the same vulnerability.
    :param severity: one of :data:`SEVERITIES`; empty where nobody states it.
    :param versions: versions that are named one by one.
    :param ranges: for each range its events, ``(introduced | fixed | last_affected, version)``.
    """

    names: tuple[str, ...]
    severity: str
    versions: tuple[str, ...]
    ranges: tuple[tuple[tuple[str, str], ...], ...]

    def is_about(self, version: str) -> bool:
        """Tell whether a version is affected; versions are compared as PEP 440 orders them.

        :raises ValueError: when a version is none.
        """
        from packaging.version import Version

        pinned = Version(version)
        if any(_same(pinned, one) for one in self.versions):
            return True
        return any(_within(pinned, events) for events in self.ranges)


def advisories_of(
    document: Mapping[str, Any], score: Callable[[str], float | None] | None = None
) -> Iterator[tuple[str, Advisory]]:
    """Give what a document of the OSV format says of each package of PyPI, by its normalised name.

    A withdrawn one says nothing.

    :param score: gives the score of a CVSS vector, or None for one that it cannot read; :func:`base_score` when None.
    """
    from packaging.utils import canonicalize_name

    if document.get("withdrawn"):
        return
    names = (str(document["id"]), *map(str, document.get("aliases") or ()))
    for affected in document.get("affected") or ():
        package = affected.get("package") or {}
        if package.get("ecosystem") != _ECOSYSTEM:
            continue
        ranges = tuple(
            tuple((kind, str(version)) for event in one.get("events") or () for kind, version in event.items())
            for one in affected.get("ranges") or ()
            if one.get("type") == "ECOSYSTEM"
        )
        severity = _severity(names[0], (document, affected), score or base_score)
        versions = tuple(map(str, affected.get("versions") or ()))
        yield str(canonicalize_name(str(package["name"]))), Advisory(names, severity, versions, ranges)


def vulnerabilities(advisories: Iterable[Advisory], version: str) -> list[tuple[tuple[str, ...], str]]:
    """Give the names and the severity of each vulnerability of a version; several advisories on one count once.

    :raises ValueError: when a version is none.
    """
    found: list[tuple[tuple[str, ...], str]] = []
    for advisory in advisories:
        if not advisory.is_about(version):
            continue
        names, severity = dict.fromkeys(advisory.names), advisory.severity
        for known in [one for one in found if not names.keys().isdisjoint(one[0])]:
            found.remove(known)
            names, severity = dict.fromkeys((*known[0], *names)), max(severity, known[1], key=_rank)
        found.append((tuple(names), severity))
    return found


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _same(pinned: Any, named: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return bool(Version(named) == pinned)
    except InvalidVersion:  # old releases have such; no pin that pip takes is equal to one
        return False


def _within(pinned: Any, events: Collection[tuple[str, str]]) -> bool:
    """Follow the events of a range in the order of versions; ``introduced`` at ``0`` is before every version."""
    from packaging.version import Version

    inside = ("introduced", "0") in events
    for place, kind in sorted((Version(version), kind) for kind, version in events if kind in _ORDER):
        if kind == "introduced" and pinned >= place:
            inside = True
        elif (kind == "fixed" and pinned >= place) or (kind == "last_affected" and pinned > place):
            inside = False
    return inside


_ORDER = ("introduced", "fixed", "last_affected")


def _severity(name: str, places: Iterable[Mapping[str, Any]], score: Callable[[str], float | None]) -> str:
    """Give the highest severity that is stated, in words: the database's own, or that of a CVSS vector's score."""
    if name.startswith("MAL-"):
        return "critical"  # a package made to do harm
    found = ""
    for place in places:
        said = str((place.get("database_specific") or {}).get("severity", "")).lower()
        found = max(found, "moderate" if said == "medium" else said, key=_rank)
        for one in place.get("severity") or ():
            if one.get("type") in _SCORED:
                found = max(found, _in_words(score(str(one.get("score")))), key=_rank)
    return found if found in SEVERITIES else ""


def _in_words(score: float | None) -> str:
    return next((word for least, word in _SCORES if score is not None and score >= least), "")


def base_score(vector: str) -> float | None:
    """Give the base score of a CVSS 3.0 or 3.1 vector, in [0, 10]; None when it is not one."""
    said = dict(part.split(":", 1) for part in vector.split("/") if ":" in part)
    try:
        weight = {metric: values[said[metric]] for metric, values in _WEIGHTS.items()}
        outside = {"U": False, "C": True}[said["S"]]
    except KeyError:
        return None
    if outside:
        weight["PR"] = _PRIVILEGES_OUTSIDE[said["PR"]]
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if outside else 6.42 * lost
    if impact <= 0:
        return 0.0
    ease = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    return ceil(round(min((1.08 if outside else 1.0) * (impact + ease), 10.0) * 10, 4)) / 10
