"""Whether a model's files may be trusted: their bytes, their format, and the packages that they are loaded with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from xops.checks.battery.advisory_database import AdvisoryDatabase, read_advisories
from xops.checks.battery.answers import Unmeasured
from xops.core.errors import Misconfigured
from xops.core.model.advisories import SEVERITIES, vulnerabilities
from xops.core.model.model_file import ModelFile
from xops.core.verdict import Finding, Outcome

if TYPE_CHECKING:
    from xops.checks.battery.exam import Exam

FILE = "model_file"  # where an exam's facts hold the candidate's ModelFile
ADVISORIES = "advisories"  # and the path of the installation's advisory database
_QUOTED = 5


@dataclass(frozen=True, slots=True)
class Security:
    """What the safe loader found of the candidate's files, and known vulnerabilities of its pinned requirements.

    Files pass when their bytes are those that were recorded, and they load without running code that they bring. A
    pickle that was loaded because the connection allows it, after a scan, is a warning. Each requirement is held
    against an advisory database on this machine: nothing is asked of another host. A vulnerability of a severity that
    nobody states counts as one of the highest; so does one that is stated as a vector of CVSS 4 alone while the
    library ``cvss`` of ``pip install 'xops[battery]'`` is missing.

    :param advisories: path of a folder or a zip of advisories in the OSV format, such as osv.dev's ``all.zip`` of
        PyPI; that of ``[xops] advisories`` when None. Without any, vulnerabilities are unknown.
    :param fail_from: the severity from which a vulnerability fails: ``low``, ``moderate``, ``high`` or ``critical``.
        One of less is a warning.
    :param max_age: how old the newest advisory may be; an older database cannot say that there is none.
    :raises Misconfigured: when ``fail_from`` is none of these, or the database cannot be read.
    """

    advisories: str | None = None
    fail_from: Literal["low", "moderate", "high", "critical"] = "high"
    max_age: timedelta = timedelta(days=90)
    name: ClassVar[str] = "security"

    def __post_init__(self) -> None:
        if self.fail_from not in SEVERITIES:
            raise Misconfigured(f"security: fail_from of {SEVERITIES} was wanted, found {self.fail_from!r}")

    def __call__(self, exam: Exam) -> list[Finding]:
        """Give a finding for the bytes, for the format, and for each requirement."""
        subject, told = exam.candidate.name, exam.facts.get(FILE)
        if told is None:
            raise Unmeasured("nothing is known of its files: it was handed over as an object")
        file = ModelFile.from_json(told)
        return [_bytes(subject, file), _format(subject, file), *self._requirements(exam, file)]

    def _requirements(self, exam: Exam, file: ModelFile) -> list[Finding]:
        path = self.advisories or exam.facts.get(ADVISORIES)
        if not path:
            return [self._unknown(exam.candidate.name, "no advisory database is given")]
        if not file.requirements:
            return [self._unknown(exam.candidate.name, "it has no requirements")]
        pins = {line: _pin(line) for line in file.requirements}
        database = read_advisories(path, {pin[0] for pin in pins.values() if pin})
        return [self._requirement(line, pin, database) for line, pin in pins.items()]

    def _requirement(self, line: str, pin: tuple[str, str] | None, database: AdvisoryDatabase) -> Finding:
        if pin is None:
            return self._unknown(line, "it is not pinned to one version")
        try:
            found = vulnerabilities(database.advisories[pin[0]], pin[1])
        except ValueError as error:
            return self._unknown(line, f"an advisory on it cannot be read: {error}")
        age = datetime.now(UTC) - database.newest
        known = f"of {database.number} advisories, the newest {max(age.days, 0)} days old"
        severe = [severity for _, severity in found if self._fails(severity)]
        if not found and age > self.max_age:
            return self._unknown(line, f"none {known}; they may be {self.max_age.days} days old to say so")
        outcome = Outcome.FAIL if severe else Outcome.WARN if found else Outcome.PASS
        names = ", ".join(f"{one[0]} ({severity or 'severity not stated'})" for one, severity in found[:_QUOTED])
        more = f" and {len(found) - _QUOTED} more" if len(found) > _QUOTED else ""
        return Finding(
            "known_vulnerabilities", line, outcome, len(found), 0,
            reason=f"{names}{more}; {known}" if found else f"none {known}",
            detail=[{"names": list(one), "severity": severity} for one, severity in found] or None,
        )  # fmt: skip

    def _fails(self, severity: str) -> bool:
        return severity not in SEVERITIES or SEVERITIES.index(severity) >= SEVERITIES.index(self.fail_from)

    @staticmethod
    def _unknown(subject: str, why: str) -> Finding:
        return Finding("known_vulnerabilities", subject, Outcome.UNKNOWN, limit=0, reason=why)


def _bytes(subject: str, file: ModelFile) -> Finding:
    if not file.recorded:
        why = "no digest was recorded for it"
        return Finding("file_manifest", subject, Outcome.UNKNOWN, file.manifest, reason=why)
    same = file.manifest == file.recorded
    why = "every byte is as it was recorded" if same else "its files changed after they were recorded"
    outcome = Outcome.PASS if same else Outcome.FAIL
    return Finding("file_manifest", subject, outcome, file.manifest, file.recorded, reason=why)


def _format(subject: str, file: ModelFile) -> Finding:
    if file.refused:
        return Finding("file_format", subject, Outcome.FAIL, file.form or "none", "loads safely", reason=file.refused)
    if not file.form:
        why = "loading it runs code that it brings; it was scanned first, and the connection allows it"
        return Finding("file_format", subject, Outcome.WARN, "pickle", "loads safely", reason=why)
    why = f"{file.form} loads without running code that it brings, and holds trusted types alone"
    return Finding("file_format", subject, Outcome.PASS, file.form, "loads safely", reason=why)


def _pin(line: str) -> tuple[str, str] | None:
    """Give the normalised name and the one version that a requirement allows; None when it allows others."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return None
    pins = [one for one in wanted.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")]
    return (str(canonicalize_name(wanted.name)), pins[0].version) if len(pins) == 1 and not wanted.url else None
