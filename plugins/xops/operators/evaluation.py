"""A candidate judged, alone and against the champion, on rows that neither was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.operators.base import Judged
from xops.operators.exam import ExamOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from xops.checks.battery.check import Check
    from xops.core.verdict import Verdict
    from xops.hooks.models.champions import Trained
    from xops.hooks.store.evidence import EvidenceStore


class EvaluateModelOperator(ExamOperator):
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
        checks: Sequence[Check] = (),
        min_auc: float = 0.5,
        min_gain: float = 0.0,
        min_rows: int = 500,
        confidence: float = 0.95,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.checks = checks
        self.min_auc = min_auc
        self.min_gain = min_gain
        self.min_rows = min_rows
        self.confidence = confidence

    def asked(self) -> Sequence[Check]:
        """Give the checks."""
        return self.checks

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Put the checks to the exam; or score the held-out rows with both models, and compare."""
        from xops.checks.battery.check import judge

        if not self.checks:
            return self._by_area()
        candidate, exam = self.exam(store)
        return _with_report(judge(exam, self.checks, facts={}), candidate)

    def _by_area(self) -> Judged:
        from xops.core.model.judges import judge_candidate

        candidate, champion, facts = self.contenders()
        record, (frame, _) = candidate.record, self.window(candidate, champion)
        verdict = judge_candidate(
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
        return _with_report(verdict, candidate)


class CheckModelOperator(ExamOperator):
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

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check

    def asked(self) -> Sequence[Check]:
        """Give the check."""
        return [self.check]

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Put the check to the exam."""
        from xops.checks.battery.check import judge, name_of

        candidate, exam = self.exam(store)
        return _with_report(judge(exam, [self.check], name=name_of(self.check), facts={}), candidate)


def _with_report(verdict: Verdict, candidate: Trained) -> Judged:
    from xops.core.page.report import report_of

    return Judged(verdict, candidate.model, candidate.version, report_of(verdict))
