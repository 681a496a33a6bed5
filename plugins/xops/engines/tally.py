"""Counting how often each small number occurs, as rows pass through a query.

DuckDB turns each ``histogram`` of a SELECT into a scan of its own; a function that sees the rows as they pass needs
none.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

NAME = "xops_tally"
_HELD = 32  # vectors of 2,048 rows that are counted at once


class Tally:
    """Counts of small numbers, one column of counts for each argument of the SQL function.

    :param sizes: by argument, how many different numbers there are: -1, 0, 1 ... size - 2.
    """

    def __init__(self, sizes: list[int]) -> None:
        self._counts = [np.zeros(size, np.int64) for size in sizes]
        self._held: list[tuple[Any, ...]] = []
        self._lock = (
            threading.Lock()
        )  # DuckDB calls from several threads, and numpy adds without the interpreter's lock

    def register(self, connection: Any) -> None:
        """Make the function known to a DuckDB connection."""
        see = lambda *columns: self._see(columns)  # noqa: E731 - a function whose signature can be set
        places = inspect.Parameter.POSITIONAL_ONLY
        see.__signature__ = inspect.Signature([inspect.Parameter(f"c{i}", places) for i in range(len(self._counts))])  # type: ignore[attr-defined]
        connection.create_function(
            NAME,
            see,
            ["SMALLINT"] * len(self._counts),
            "TINYINT",
            type="arrow",
            null_handling="special",
            side_effects=True,
        )

    def counts(self) -> list[NDArray[np.int64]]:
        """Give the counts, by argument; the first one is of -1."""
        held, self._held = self._held, []
        self._count(held)
        return self._counts

    def _see(self, columns: tuple[Any, ...]) -> pa.Array:
        import pyarrow as pa

        with self._lock:
            self._held.append(columns)
            held: list[tuple[Any, ...]] = []
            if len(self._held) >= _HELD:
                held, self._held = self._held, []
        self._count(held)
        return pa.array(np.zeros(len(columns[0]), np.int8))

    def _count(self, held: list[tuple[Any, ...]]) -> None:
        for place in range(len(self._counts) if held else 0):
            numbers = np.concatenate([columns[place].to_numpy() for columns in held])
            numbers = numbers + np.int16(1)
            found = np.bincount(numbers, minlength=len(self._counts[place]))
            with self._lock:
                self._counts[place] += found
