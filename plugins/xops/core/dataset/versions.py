"""Names for immutable states of a dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xops.core.dataset.version_names import VersionName
from xops.core.errors import Misconfigured

_SNAPSHOT = re.compile(r"[0-9]{1,19}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DataVersion:
    """One immutable state of a dataset.

    :param table: the dataset: an Iceberg or SQL table, or the URL of a Parquet prefix.
    :param snapshot: the Iceberg snapshot id, as a string: it is larger than JavaScript's integers. Elsewhere the
        SHA-256 digest of the version's manifest, in hexadecimal.
    :param batch: the batch whose arrival made this version; empty when it is not the work of one batch.
    :param branch: where it waits for its tests or is in quarantine; empty once it is published.
    :param rows: how many rows the batch has.
    """

    table: str
    snapshot: str
    batch: str = ""
    branch: str = ""
    rows: int = 0

    @property
    def name(self) -> str:
        """The name to quote: ``namespace.table@snapshot``."""
        return f"{self.table}@{self.snapshot}"

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON, fit for XCom."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | DataVersion | None) -> DataVersion:
        """Read what :meth:`to_json` wrote.

        :raises Misconfigured: when ``document`` is not a data version.
        """
        if isinstance(document, DataVersion):
            return document
        try:
            version: DataVersion | None = cls(**document)  # type: ignore[arg-type]
        except TypeError:
            version = None
        if version is None or not _SNAPSHOT.fullmatch(str(version.snapshot)):
            raise Misconfigured(f"a data version was wanted, as StageDataOperator returns it; found {document!r:.200}")
        return version


def table_named(version: str | Mapping[str, Any] | DataVersion) -> str:
    """Give the dataset of a version that is named, or given as its JSON."""
    return VersionName.read(version).table if isinstance(version, str) else DataVersion.from_json(version).table
