"""A candidate judged, alone and against the champion, on rows that neither was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.model.judges import judge_candidate
from xops.core.page.report import CURVES, report_of
from xops.operators.base import CheckOperator, Judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from airflow.sdk import Context

    from xops.checks.battery.check import Check
    from xops.checks.battery.exam import Contender, Exam, Learned
    from xops.core.dataset.versions import DataVersion
    from xops.core.verdict import Verdict
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.champions import Trained
    from xops.hooks.store.evidence import EvidenceStore


class _ExamOperator(CheckOperator):
    """Loads candidate and champion, and reads the rows that neither was trained on."""

    mlflow_conn_id: str
    iceberg_conn_id: str

    def contenders(self, named: Any) -> tuple[Trained, Trained | None, dict[str, Any]]:
        """Load the candidate and the champion, if there is another one, and give the facts that promotion asks for."""
        from xops.hooks.models.champions import champion_version, load_version

        model, version = named_version(named)
        candidate = load_version(model, version, conn_id=self.mlflow_conn_id)
        reigning = champion_version(model)
        champion = (
            load_version(model, reigning, conn_id=self.mlflow_conn_id) if reigning not in (None, version) else None
        )
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

    def exam(
        self,
        candidate: Trained,
        champion: Trained | None,
        store: EvidenceStore,
        *,
        kind: str,
        columns: Sequence[str],
        sensitive: Sequence[str],
        facts: dict[str, Any],
    ) -> Exam:
        """Make the exam of the held-out rows, which both models' training rows are compared with by key."""
        from xops.checks.battery.exam import Exam, Kind, Learned
        from xops.checks.battery.training_data import FACTS, known_of

        record = candidate.record
        tests = {batch: store.latest("data_test", record.features.table, batch) for batch in record.batches}
        frame, learned = self.window(candidate, champion, [*columns, *sensitive])
        return Exam(
            frame=frame,
            target=frame[record.target].to_numpy(),
            kind=Kind(kind),
            candidate=self._contender(candidate, Learned(learned, learned[record.target].to_numpy())),
            champion=self._contender(champion) if champion else None,
            groups=frame[record.holdout.by].to_numpy(),
            key=(record.on,),
            sensitive=tuple(sensitive),
            facts=facts
            | {"features": record.features.name, "labels": record.labels.name}
            | {FACTS: known_of(record.features.name, record.rows, tests)},
        )

    def _contender(self, trained: Trained, learned: Learned | None = None) -> Contender:
        from xops.checks.battery.exam import Contender, row_hashes
        from xops.hooks.iceberg.tables import IcebergHook

        record = trained.record
        rows = IcebergHook(self.iceberg_conn_id).rows(
            record.features, columns=list({record.on, record.holdout.by}), batches=record.batches
        )
        frame = rows.to_pandas(date_as_object=False)
        seen = frame[~record.holdout.mask(frame[record.holdout.by].to_numpy())]
        return Contender(trained.name, trained.fitted, record.columns, row_hashes(seen, [record.on]), learned)


class EvaluateModelOperator(_ExamOperator):
    """Judge a candidate, alone and against the champion, on the rows held out of its training window.

    Without ``checks`` a binary classifier is judged by its area under the ROC curve. With them, each is put to the
    exam, and the verdict holds the findings of all. The evidence has a report for people beside it.

    :param candidate: what TrainModelOperator returned (templated).
    :param checks: checks of the battery, such as ``Performance(...)``; or functions of an
        :class:`~xops.checks.battery.exam.Exam` that give findings.
    :param kind: what the model is asked for: ``binary``, ``multiclass``, ``regression`` or ``ranking``; for ``checks``.
    :param columns: what the checks read beside the models' features.
    :param sensitive: columns that say who somebody is; also what the checks read.
    :param min_auc: the least area under the ROC curve, inclusive.
    :param min_gain: the champion's area is to be exceeded by more than this, with ``confidence``.
    :param min_rows: with fewer held-out rows the verdict is unknown.
    :param confidence: of the two-sided interval of the gain, in (0, 1).
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("candidate",)

    def __init__(
        self,
        *,
        candidate: Any,
        checks: Sequence[Check] = (),
        kind: str = "binary",
        columns: Sequence[str] = (),
        sensitive: Sequence[str] = (),
        min_auc: float = 0.5,
        min_gain: float = 0.0,
        min_rows: int = 500,
        confidence: float = 0.95,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate
        self.checks = checks
        self.kind = kind
        self.columns = columns
        self.sensitive = sensitive
        self.min_auc = min_auc
        self.min_gain = min_gain
        self.min_rows = min_rows
        self.confidence = confidence
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Put the checks to the exam; or score the held-out rows with both models, and compare."""
        from xops.checks.battery.check import judge
        from xops.checks.battery.curves import curves_of

        candidate, champion, facts = self.contenders(self.candidate)
        if not self.checks:
            return _with_report(self._by_area(candidate, champion, facts), candidate)
        exam = self.exam(
            candidate, champion, store, kind=self.kind, columns=self.columns, sensitive=self.sensitive, facts=facts
        )
        return _with_report(judge(exam, self.checks, facts={CURVES: curves_of(exam)}), candidate)

    def _by_area(self, candidate: Trained, champion: Trained | None, facts: dict[str, Any]) -> Verdict:
        record, (frame, _) = candidate.record, self.window(candidate, champion)
        return judge_candidate(
            frame[record.target].to_numpy(dtype=bool),
            candidate.scores(frame),
            champion.scores(frame) if champion else None,
            groups=frame[record.holdout.by].to_numpy(),
            subject=candidate.name,
            min_auc=self.min_auc,
            min_gain=self.min_gain,
            min_rows=self.min_rows,
            confidence=self.confidence,
            facts=facts | {"held_out_rows": len(frame)},
        )


class CheckModelOperator(_ExamOperator):
    """Put one check of the battery to a candidate, and file its verdict under the check's own name.

    :param candidate: what TrainModelOperator returned (templated).
    :param check: a check of the battery, such as ``Fairness(...)``, or a function of an
        :class:`~xops.checks.battery.exam.Exam` that gives findings.
    :param kind: what the model is asked for: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
    :param columns: what the check reads beside the models' features.
    :param sensitive: columns that say who somebody is; also what the check reads.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("candidate",)

    def __init__(
        self,
        *,
        candidate: Any,
        check: Check,
        kind: str = "binary",
        columns: Sequence[str] = (),
        sensitive: Sequence[str] = (),
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate
        self.check = check
        self.kind = kind
        self.columns = columns
        self.sensitive = sensitive
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Put the check to the exam."""
        from xops.checks.battery.check import judge, name_of

        candidate, champion, facts = self.contenders(self.candidate)
        exam = self.exam(
            candidate, champion, store, kind=self.kind, columns=self.columns, sensitive=self.sensitive, facts=facts
        )
        return _with_report(judge(exam, [self.check], name=name_of(self.check), facts={}), candidate)


def _with_report(verdict: Verdict, candidate: Trained) -> Judged:
    return Judged(verdict, candidate.model, candidate.version, report_of(verdict))


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
    wanted = list(dict.fromkeys([on, *columns]))
    left = lake.rows(features, columns=wanted, batches=batches)
    right = lake.rows(labels, columns=[on, target], batches=batches)
    joined = left.join(right, keys=on, join_type="inner").sort_by(on)
    frame: pd.DataFrame = joined.filter(joined[target].is_valid()).to_pandas(date_as_object=False)
    return frame
