"""What is remembered of a training, so that a model can be judged, traced and trained again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout

_KEPT = 100_000  # characters that MLflow keeps of a tag of a model version


class AskedBy(StrEnum):
    """Who or what asked for a training."""

    MANUAL = "manual"
    CALENDAR = "calendar"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """The data and the rule that a model version came from, kept as tags of the version.

    :param features: the version of the table it learned from.
    :param labels: the version of the table of labels.
    :param batches: the batches it learned from, in order.
    :param on: the column that joins features and labels.
    :param target: the labels' column.
    :param columns: the columns it was given, in order.
    :param holdout: the rows it was not given.
    :param rows: how many rows it was given.
    :param asked_by: who or what asked.
    :param code: dotted path of the training function and the SHA-256 of its source.
    """

    features: DataVersion
    labels: DataVersion
    batches: tuple[str, ...]
    on: str
    target: str
    columns: tuple[str, ...]
    holdout: Holdout
    rows: int
    asked_by: AskedBy
    code: str

    def to_tags(self) -> dict[str, str]:
        """Give it as the tags of a model version.

        :raises Misconfigured: when one is longer than MLflow keeps, as of columns by the thousands.
        """
        tags = {
            "xops.features": self.features.name,
            "xops.labels": self.labels.name,
            "xops.batches": json.dumps(self.batches),
            "xops.on": self.on,
            "xops.target": self.target,
            "xops.columns": json.dumps(self.columns),
            "xops.holdout": json.dumps(self.holdout.to_json()),
            "xops.rows": str(self.rows),
            "xops.asked_by": str(self.asked_by),
            "xops.code": self.code,
        }
        if long := [name for name, value in tags.items() if len(value) > _KEPT]:
            raise Misconfigured(
                f"{long[0]}: at most {_KEPT} characters were wanted, which MLflow keeps of a model version's tag, "
                f"found {len(tags[long[0]])}; give fewer"
            )
        return tags

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], subject: str) -> TrainingRecord:
        """Read what :meth:`to_tags` wrote.

        :param subject: the model version, for the message.
        :raises Misconfigured: when the version was not trained by TrainModelOperator.
        """
        try:
            return cls(
                features=_version(tags["xops.features"]),
                labels=_version(tags["xops.labels"]),
                batches=tuple(json.loads(tags["xops.batches"])),
                on=tags["xops.on"],
                target=tags["xops.target"],
                columns=tuple(json.loads(tags["xops.columns"])),
                holdout=Holdout.of(json.loads(tags["xops.holdout"])),
                rows=int(tags["xops.rows"]),
                asked_by=AskedBy(tags["xops.asked_by"]),
                code=tags["xops.code"],
            )
        except KeyError as error:
            raise Misconfigured(
                f"{subject}: tag {error} is missing, so it is not known what it was trained on; "
                "a version that TrainModelOperator registered was wanted"
            ) from error


def _version(name: str) -> DataVersion:
    table, _, snapshot = name.rpartition("@")
    return DataVersion(table, snapshot)
