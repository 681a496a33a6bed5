"""The two sides of a drift check, found by what a person may write to name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xops.core.dataset.versions import DataVersion
from xops.core.drift.batch_window import BatchWindow
from xops.core.errors import Misconfigured
from xops.hooks.store.profiles import Side

if TYPE_CHECKING:
    from xops.core.model.training import TrainingRecord
    from xops.hooks.iceberg.tables import IcebergHook


def side_of(lake: IcebergHook, table: str, named: Any, *, before: str = "") -> Side:
    """Find the batches that a name stands for.

    :param named: a batch of ``table``, a list of them, a window over its newest ones, or a version: a data version as
        operators return it, or its name, such as ``nyc.flights@closed``. Empty for the newest batch.
    :param before: a window holds only batches whose names sort before this one.
    :raises Misconfigured: when there is no such thing, or nothing was published.
    """
    from xops.hooks.iceberg.versions import TableVersions

    if isinstance(named, (Mapping, DataVersion)) or (isinstance(named, str) and "@" in named):
        version = TableVersions(lake).find(named)
        return _side(lake, version, [version.batch] if version.batch else list(lake.batches(version)))
    version = lake.published(table)
    if version is None:
        raise Misconfigured(f"{table}: nothing was published; publish a batch first")
    if isinstance(named, BatchWindow):
        names = named.of(name for name in lake.batches(version) if not before or name < before)
        return _side(lake, version, names, moves=True)
    names = [named] if isinstance(named, str) and named else named or list(lake.batches(version))[-1:]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise Misconfigured(
            f"{table}: a batch, a list of batches, a window or a version was wanted, found {named!r:.200}"
        )
    return _side(lake, version, sorted(names))


def trained_on(record: TrainingRecord) -> Side:
    """Give the side that a model version learned from."""
    return Side(record.features, record.batches, f"{record.features.name}/{','.join(record.batches)}")


def _side(lake: IcebergHook, version: DataVersion, batches: Sequence[str], *, moves: bool = False) -> Side:
    written = lake.deliveries(version)
    rows = ",".join(f"{batch}@{written.get(batch, version.snapshot)}" for batch in batches)
    return Side(version, tuple(batches), f"{version.table}/{rows}", moves)
