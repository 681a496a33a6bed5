"""What the operators that judge a model share: the contenders, and the rows that neither was trained on."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.operators.base import CheckOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from xops.checks.battery.check import Check
    from xops.checks.battery.contender import Contender, Learned
    from xops.checks.battery.exam import Exam
    from xops.core.dataset.versions import DataVersion
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.champions import Trained
    from xops.hooks.store.evidence import EvidenceStore


_LEFT, _RIGHT = "xops.features", "xops.labels"  # where rows that are joined come from


class ExamOperator(CheckOperator):
    """Loads candidate and champion, and reads the rows that neither was trained on.

    :param candidate: what TrainModelOperator returned (templated).
    :param kind: what the model is asked for: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
    :param columns: what checks read beside the models' features.
    :param sensitive: columns that say who somebody is; also what checks read.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    """

    template_fields: Sequence[str] = ("candidate",)

    def __init__(
        self,
        *,
        candidate: Any,
        kind: str = "binary",
        columns: Sequence[str] = (),
        sensitive: Sequence[str] = (),
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate
        self.kind = kind
        self.columns = columns
        self.sensitive = sensitive
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    @abstractmethod
    def asked(self) -> Sequence[Check]:
        """Give the checks that are put to the exam."""

    def contenders(self) -> tuple[Trained, Trained | None, dict[str, Any]]:
        """Load the candidate and the champion, if there is another one, and give the facts that promotion asks for."""
        from xops.checks.battery.security import Security
        from xops.hooks.models.champions import champion_version, inspect_version

        model, version = named_version(self.candidate)
        candidate = inspect_version(model, version, conn_id=self.mlflow_conn_id)
        if candidate.file.refused and not any(isinstance(check, Security) for check in self.asked()):
            raise Misconfigured(candidate.file.refused)
        reigning, champion = champion_version(model), None
        if reigning not in (None, version):
            champion = inspect_version(model, reigning, conn_id=self.mlflow_conn_id)
            if champion.file.refused:
                raise Misconfigured(champion.file.refused)
        if champion is not None and champion.record.holdout != candidate.record.holdout:
            raise Misconfigured(
                f"{candidate.name} holds out {candidate.record.holdout}, the champion {champion.name} "
                f"{champion.record.holdout}; they can be compared only on rows that neither was trained on"
            )
        facts = {
            "model_version": version,
            "champion": reigning,
            "manifest": candidate.manifest,
            "batches": candidate.record.batches,
        }
        return candidate, champion, facts

    def window(
        self, candidate: Trained, champion: Trained | None, columns: Sequence[str] = ()
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Read the candidate's window: the features of both, the holdout's column, the target.

        :param columns: others to read where the table has them; a check says what it lacks.
        :returns: the rows held out, and those that the candidate learned from.
        """
        from xops.hooks.iceberg.tables import IcebergHook

        lake, record = IcebergHook(self.iceberg_conn_id), candidate.record
        there = [column for column in columns if column in lake.columns(record.features.table)] if columns else []
        frame = labelled(
            lake, record.features, record.labels, record.batches,
            [*{*record.columns, *(champion.record.columns if champion else ()), *there, record.holdout.by}],
            on=record.on, target=record.target,
        )  # fmt: skip
        held_out = record.holdout.mask(frame[record.holdout.by].to_numpy())
        return frame[held_out].reset_index(drop=True), frame[~held_out].reset_index(drop=True)

    def exam(self, store: EvidenceStore) -> tuple[Trained, Exam]:
        """Give the candidate, and the exam of the held-out rows, which training rows are compared with by key."""
        from xops.checks.battery.answers import Kind
        from xops.checks.battery.contender import Learned
        from xops.checks.battery.exam import Exam
        from xops.checks.battery.security import ADVISORIES, FILE
        from xops.checks.battery.training_data import FACTS, known_of
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.settings import advisories

        candidate, champion, facts = self.contenders()
        record = candidate.record
        tests = {batch: store.latest("data_test", record.features.table, batch) for batch in record.batches}
        lake = IcebergHook(self.iceberg_conn_id)
        arrived = [lake.staged_at(record.features, batch) for batch in record.batches]
        frame, learned = self.window(candidate, champion, [*self.columns, *self.sensitive])
        exam = Exam(
            frame=frame,
            target=frame[record.target].to_numpy(),
            kind=Kind(self.kind),
            candidate=self._contender(candidate, Learned(learned, learned[record.target].to_numpy())),
            champion=self._contender(champion) if champion else None,
            groups=frame[record.holdout.by].to_numpy(),
            key=(record.on,),
            sensitive=tuple(self.sensitive),
            facts=facts
            | {"features": record.features.name, "labels": record.labels.name}
            | {FACTS: known_of(record.features.name, record.rows, tests, arrived=arrived)}
            | {FILE: candidate.file.to_json(), ADVISORIES: advisories()},
        )
        return candidate, exam

    def _contender(self, trained: Trained, learned: Learned | None = None) -> Contender:
        from xops.checks.battery.contender import Contender, row_hashes
        from xops.hooks.iceberg.tables import IcebergHook

        record = trained.record
        rows = IcebergHook(self.iceberg_conn_id).rows(
            record.features, columns=list({record.on, record.holdout.by}), batches=record.batches
        )
        frame = rows.to_pandas(date_as_object=False)
        seen = frame[~record.holdout.mask(frame[record.holdout.by].to_numpy())]
        return Contender(
            trained.name, trained.fitted, record.columns, row_hashes(seen, [record.on]), learned, trained.file.size,
            trained.file.refused,
        )  # fmt: skip


def named_version(candidate: Any) -> tuple[str, str]:
    """Read model and version from what TrainModelOperator returned.

    :raises Misconfigured: when it is something else.
    """
    try:
        return str(candidate["model"]), str(candidate["version"])
    except (TypeError, KeyError) as error:
        raise Misconfigured(
            f"a candidate was wanted, as TrainModelOperator returns it; found {candidate!r:.200}"
        ) from error


def labelled(
    lake: IcebergHook,
    features: DataVersion,
    labels: DataVersion,
    batches: Sequence[str],
    columns: Sequence[str],
    *,
    on: str,
    target: str,
) -> pd.DataFrame:
    """Join the features and labels of some batches; rows without a label are left out. In the order of ``on``."""
    import numpy as np
    import pyarrow as pa

    wanted = list(dict.fromkeys([on, *columns]))
    left = lake.rows(features, columns=wanted, batches=batches)
    right = lake.rows(labels, columns=[on, target], batches=batches)
    right = right.filter(right[target].is_valid())
    places = [
        pa.table({on: side[on], name: np.arange(side.num_rows)}) for side, name in ((left, _LEFT), (right, _RIGHT))
    ]
    joined = places[0].join(places[1], keys=on, join_type="inner").sort_by(on)  # Arrow joins no lists
    rows = left.take(joined[_LEFT]).append_column(target, right[target].take(joined[_RIGHT]))
    frame: pd.DataFrame = rows.to_pandas(date_as_object=False)
    return frame
