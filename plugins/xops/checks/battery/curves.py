"""What a report draws of candidate and champion as wholes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.checks.battery.answers import Kind, Unmeasured
from xops.core.model.intervals import Units
from xops.core.numerics import np
from xops.core.page.model_curves import confusion, gains_by_place, rates, residuals

if TYPE_CHECKING:
    from xops.checks.battery.answers import Answers
    from xops.checks.battery.exam import Exam

_CLASSES = 8  # that have a curve of their own, the most frequent ones


def curves_of(exam: Exam) -> dict[str, Any]:
    """Give by its title whatever is drawn of the models as wholes.

    Of two classes ROC, precision and recall of each model; of more those of the candidate, by class against the rest;
    of both a table of true and predicted classes. Of a regression residuals, of a ranking gains by place. A model that
    gives no answer has none; its checks say why. While no check asked the candidate about all rows, nothing is drawn:
    to ask may take longer than the checks were given.
    """
    if not exam.answers.asked:
        return {}
    curves: dict[str, Any] = {}
    for name, answers in (("candidate", exam.answers), ("champion", exam.champion_answers)):
        try:
            if answers is not None:
                _add(curves, exam, name, answers)
        except Unmeasured:
            continue
    try:
        if exam.kind.classifies:
            names = [str(one) for one in exam.classes.tolist()]
            curves["classes that the candidate gives"] = confusion(exam.truth, exam.answers.labels, names)
    except Unmeasured:
        pass
    return curves


def _add(curves: dict[str, Any], exam: Exam, name: str, answers: Answers) -> None:
    if exam.kind is Kind.REGRESSION:
        curves[f"residuals of the {name}"] = residuals(exam.truth, answers.predicted)
    elif exam.kind is Kind.RANKING:
        queries = Units.of(exam.rows, exam.groups).codes
        curves.setdefault("gain of the first places", {})[name] = gains_by_place(exam.truth, answers.predicted, queries)
    elif exam.kind is Kind.BINARY:
        for kind, one in rates(exam.truth == 1, answers.scores).items():
            curves.setdefault(kind, {})[name] = one
    elif name == "candidate":
        rows = np.bincount(exam.truth, minlength=len(exam.classes))
        for place in np.argsort(-rows, kind="stable")[:_CLASSES]:
            if 0 < rows[place] < exam.rows:
                for kind, one in rates(exam.truth == place, answers.probabilities[:, place]).items():
                    curves.setdefault(f"{kind} by class", {})[str(exam.classes[place])] = one
