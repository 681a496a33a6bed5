"""Cases whose answers are known, read from a file that people write."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from xops.core.errors import Misconfigured, bounded

_WORDS = ("case", "expected", "at_least", "at_most")


@dataclass(frozen=True, slots=True)
class Case:
    """One row whose answer is known.

    :param name: of the case; rows of one name are judged together.
    :param row: by feature its value, None where it is missing.
    :param expected: the class, or the number; None when it is not said.
    :param at_least: what the answer is at least, inclusive: a chance, or a number.
    :param at_most: what it is at most, inclusive.
    """

    name: str
    row: Mapping[str, Any]
    expected: Any = None
    at_least: float | None = None
    at_most: float | None = None


def read_cases(path: str) -> list[Case]:
    """Read cases from a CSV file, or from a JSON file with a list of objects.

    Each row has its features by name, the name of its ``case``, and what is known: ``expected``, ``at_least`` or
    ``at_most``. An empty cell of a CSV file is a missing value.

    :raises Misconfigured: when the file is missing, has no cases, or a row does not say what is known.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows: Iterable[Any] = csv.DictReader(text.splitlines()) if file.suffix == ".csv" else json.loads(text)
        cases = [_case(row, f"{path}, row {place}") for place, row in enumerate(rows, 1)]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error, TypeError) as error:
        raise Misconfigured(f"cases: {path} cannot be read: {bounded(error, 200)}") from error
    if not cases:
        raise Misconfigured(f"cases: {path} has none")
    return cases


def _case(row: Any, where: str) -> Case:
    if not isinstance(row, Mapping) or None in row:
        raise Misconfigured(f"cases: {where}: one value for each column was wanted")
    given = {name: None if value == "" else value for name, value in row.items()}
    known = {name: given.get(name) for name in _WORDS}
    if known["case"] is None or all(known[name] is None for name in _WORDS[1:]):
        raise Misconfigured(f"cases: {where}: the name of its case, and expected, at_least or at_most were wanted")
    features = {name: value for name, value in given.items() if name not in _WORDS}
    ends = [_number(known[name], f"{where}: {name}") for name in ("at_least", "at_most")]
    return Case(str(known["case"]), features, known["expected"], *ends)


def _number(value: Any, where: str) -> float | None:
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number is not None and not isfinite(number):
        raise Misconfigured(f"cases: {where}: a number was wanted")
    return number
