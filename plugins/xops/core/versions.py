"""Names for immutable states of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xops.core.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class DataVersion:
    """One immutable state of a dataset.

    :param table: the dataset, ``namespace.table``.
    :param snapshot: the Iceberg snapshot id, as a string: it is larger than JavaScript's integers.
    :param batch: the batch whose arrival made this version; empty when it is not the work of one batch.
    :param branch: the audit branch it waits on; empty once it is published.
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
            version = cls(**document)  # type: ignore[arg-type]
            int(version.snapshot)
        except (TypeError, ValueError) as error:
            raise Misconfigured(
                f"a data version was wanted, as StageDataOperator returns it; found {document!r:.200}"
            ) from error
        return version
