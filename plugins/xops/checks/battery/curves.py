"""What a report draws of candidate and champion as wholes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.checks.battery.exam import Kind, Unmeasured
from xops.core.page.model_curves import rates, residuals

if TYPE_CHECKING:
    from xops.checks.battery.exam import Exam


def curves_of(exam: Exam) -> dict[str, Any]:
    """Give by kind of curve that of each model: ROC, precision and recall; of a regression the residuals of each.

    A model that gives no answer has none; its checks say why.
    """
    curves: dict[str, Any] = {}
    for name, answers in (("candidate", exam.answers), ("champion", exam.champion_answers)):
        try:
            if answers is not None and exam.kind is Kind.REGRESSION:
                curves[f"residuals of the {name}"] = residuals(exam.truth, answers.predicted)
            elif answers is not None and exam.kind is Kind.BINARY:
                for kind, one in rates(exam.truth == 1, answers.scores).items():
                    curves.setdefault(kind, {})[name] = one
        except Unmeasured:
            continue
    return curves
