"""How a batch enters its dataset: beside the others, in the place of partitions, or in the place of single rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured

BATCH = "batch"  # the column, added at staging, that says which batch a row came with


class Mode(StrEnum):
    """What the rows of a batch take the place of, besides an earlier delivery of the same batch."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Write:
    """How a batch enters its dataset.

    :param mode: ``append``: it takes the place of nothing else. ``overwrite``: of every row of another batch that has
        its values in the columns ``by``. ``upsert``: of every row of an earlier batch, by name, that has its key.
    :param by: the partition columns of ``overwrite``, the key columns of ``upsert``; none for ``append``.
    :param values: the one partition that ``overwrite`` is for: a value for each of ``by``. None for those of its rows.
    :param evolve: whether the batch may add columns, which earlier rows then lack, and widen types.
    """

    mode: Mode = Mode.APPEND
    by: tuple[str, ...] = ()
    evolve: bool = False
    values: tuple[Any, ...] = ()

    @classmethod
    def of(cls, mode: str, by: Mapping[str, Any] | Sequence[str] | str = (), *, evolve: bool = False) -> Write:
        """Make one of an operator's arguments.

        :param by: the columns; with ``overwrite`` also the partition, a value by column.
        :raises Misconfigured: for a mode that there is not, or one without its columns.
        """
        if mode not in tuple(Mode):
            raise Misconfigured(f"mode: append, overwrite or upsert was wanted, found {mode!r:.100}")
        columns = (by,) if isinstance(by, str) else tuple(by)
        if len(set(columns)) < len(columns) or not all(isinstance(column, str) and column for column in columns):
            raise Misconfigured(f"by: names of different columns were wanted, found {by!r:.100}")
        if (mode == Mode.APPEND) == bool(columns):
            wanted = "no columns" if mode == Mode.APPEND else f"the columns of the {_COLUMNS[Mode(mode)]}"
            raise Misconfigured(f"by: with mode {mode}, {wanted} were wanted, found {by!r:.100}")
        values = tuple(by.values()) if isinstance(by, Mapping) else ()
        if values and mode != Mode.OVERWRITE:
            raise Misconfigured(f"by: with mode {mode}, columns without values were wanted, found {by!r:.100}")
        if not all(isinstance(value, (str, int, float)) for value in values):
            raise Misconfigured(f"by: texts and numbers were wanted as values, found {by!r:.100}")
        return cls(Mode(mode), columns, evolve, values)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain strict JSON."""
        return asdict(self) | {"mode": str(self.mode), "by": list(self.by), "values": list(self.values)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Write:
        """Read what :meth:`to_json` wrote."""
        values = tuple(document.get("values", ()))  # what was written before there were values has none
        return cls(Mode(document["mode"]), tuple(document["by"]), document["evolve"], values)


_COLUMNS = {Mode.OVERWRITE: "partition", Mode.UPSERT: "key"}
APPEND = Write()
