"""An offline advisory database: a folder or a zip of OSV documents, such as osv.dev's all.zip of PyPI."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xops.core.errors import Misconfigured, bounded
from xops.core.model.advisories import Advisory, advisories_of, base_score


@dataclass(frozen=True, slots=True)
class AdvisoryDatabase:
    """What a database says of some packages.

    :param advisories: by normalised name of a package what is known of it.
    :param number: how many advisories on packages of PyPI there are in all.
    :param newest: when the newest was changed.
    """

    advisories: dict[str, list[Advisory]]
    number: int
    newest: datetime


def read_advisories(path: str, packages: Collection[str]) -> AdvisoryDatabase:
    """Read what a database says of some packages.

    :param path: a folder of JSON files, or a zip of them.
    :param packages: their normalised names.
    :raises Misconfigured: when it cannot be read, or holds nothing about packages of PyPI.
    """
    found: dict[str, list[Advisory]] = {name: [] for name in packages}
    number, newest, reading = 0, datetime.min.replace(tzinfo=UTC), path
    try:
        for name, content in _documents(Path(path)):
            reading = name
            document = json.loads(content)
            about = list(advisories_of(document, _score))
            for package, advisory in about:
                if package in found:
                    found[package].append(advisory)
            if about:
                number += 1
                newest = max(newest, datetime.fromisoformat(document["modified"]).astimezone(UTC))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        why = f"{bounded(reading, 100)} cannot be read: {bounded(repr(error))}"
        raise Misconfigured(f"advisories {path}: {why}") from error
    if not number:
        raise Misconfigured(
            f"advisories {path}: advisories of the OSV format on packages of PyPI were wanted, found none"
        )
    return AdvisoryDatabase(found, number, newest)


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield file.name, file.read_bytes()
        return
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            if name.endswith(".json"):
                yield name, packed.read(name)


def _score(vector: str) -> float | None:
    """Give the score of a CVSS vector; of version 4 by the library ``cvss``, without which it is none."""
    if not vector.startswith("CVSS:4"):
        return base_score(vector)
    try:
        from cvss import CVSS4
        from cvss.exceptions import CVSSError
    except ImportError:
        return None
    try:
        return float(CVSS4(vector).base_score)
    except CVSSError:
        return None
