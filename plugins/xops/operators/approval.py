"""A person looks at the evidence and says yes or no; silence is no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from xops.core.errors import Misconfigured, Refused
from xops.core.gate import judge_approval
from xops.core.verdict import Outcome
from xops.operators.base import GatedOperator, GateName, Judged, verdicts_of
from xops.operators.exam import named_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from xops.core.verdict import Verdict

_MARKS = {Outcome.PASS: "✓", Outcome.WARN: "!", Outcome.FAIL: "✗", Outcome.UNKNOWN: "?"}


class ApproveModelOperator(GatedOperator, ApprovalOperator):
    """Ask a person whether a candidate may become champion, and keep the answer as evidence.

    Airflow's own approval: the question, with every finding, waits under *Required Actions* without a worker. The
    answer is a verdict like any other, about these files and this champion: PromoteModelOperator takes it among its
    ``verdicts``. ``Reject`` and silence do not pass, and nobody is asked about a candidate that a check refused. The
    other arguments are those of ApprovalOperator: ``response_timeout``, ``assigned_users``, ``notifiers``, and
    ``params``, a form for the answer.

    :param candidate: what TrainModelOperator returned (templated).
    :param verdicts: evidence about it, as check operators return it (templated).
    :param subject: the question's headline; the version is put behind it (templated).
    :param body: Markdown above the findings (templated).
    :param gate: see :class:`~xops.operators.base.GatedOperator`; ``skip`` by default.
    :returns: the evidence.
    """

    default_gate: GateName = "skip"
    template_fields = ("candidate", "verdicts", "subject", "body")

    def __init__(
        self,
        *,
        candidate: Any,
        verdicts: Sequence[Any],
        subject: str = "Promote this model?",
        body: str = "",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("defaults", "Reject")
        super().__init__(subject=subject, body=body, **kwargs)
        self.candidate = candidate
        self.verdicts = verdicts

    def act(self, context: Context) -> dict[str, Any]:
        """Put the question and wait; what failed is not asked about."""
        model, version = named_version(self.candidate)
        name = f"models:/{model}/{version}"
        judged = verdicts_of(self.verdicts)
        _askable([verdict for _, verdict in judged], name)
        self.subject = f"{self.subject} {name}"
        self.body = _question(name, judged, str(self.body))
        waiting: dict[str, Any] = ApprovalOperator.execute(self, context)  # it parks the task by raising
        return waiting

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Keep the answer, then open or close the gate."""
        from xops.hooks.store.evidence import EvidenceStore

        if "error" in event:
            self.process_trigger_event_error(event)
        self.validate_chosen_options(event["chosen_options"])
        self.validate_params_input(event["params_input"] or {})
        store = EvidenceStore()
        return self.decide(context, store, self.answered(event))

    def answered(self, event: dict[str, Any]) -> Judged:
        """Turn the answer into a verdict about what the person was shown."""
        model, version = named_version(self.candidate)
        judged = verdicts_of(self.verdicts)
        shown = {name: verdict.facts[name] for _, verdict in judged for name in ("champion", "manifest")
                 if name in verdict.facts}  # fmt: skip
        user = event.get("responded_by_user") or {}
        at: datetime = event["responded_at"]
        verdict = judge_approval(
            f"models:/{model}/{version}",
            agreed=event["chosen_options"] == [self.APPROVE],
            by=None if event.get("timedout") else str(user.get("name") or user.get("id") or "somebody"),
            at=at.isoformat(),
            facts={
                **shown,
                "evidence": [identity for identity, _ in judged],
                "answers": dict(event["params_input"] or {}),
            },
        )
        return Judged(verdict, model, version)


def _askable(verdicts: Sequence[Verdict], name: str) -> None:
    """See that there is something to decide.

    :raises Refused: when nothing was judged, or a check did not pass.
    :raises Misconfigured: when a verdict is about something else.
    """
    if not verdicts:
        raise Refused(f"{name}: nothing was judged, so there is nothing to approve")
    for verdict in verdicts:
        if verdict.subject != name:
            raise Misconfigured(f"approval of {name}: the verdict given is about {verdict.subject}")
        if not verdict.outcome.passes:
            raise Refused(f"{name} is not put to anybody: {verdict}")


def _question(name: str, judged: Sequence[tuple[str, Verdict]], above: str) -> str:
    """Write the evidence as Markdown: a table of findings for each verdict, and what the answer is about."""
    champion = next((v.facts["champion"] for _, v in judged if "champion" in v.facts), None)
    manifest = next((str(v.facts["manifest"]) for _, v in judged if "manifest" in v.facts), "")
    parts = [above] if above else []
    parts.append(f"**{name}** would replace " + (f"version {champion}." if champion else "nothing: it is the first."))
    for identity, verdict in judged:
        parts.append(f"### {verdict.check}: {verdict.outcome}")
        rows = [
            f"| {_MARKS[f.outcome]} {f.outcome} | {_cell(f.check)} | {_cell(f.subject)} | {_cell(f.observed)} "
            f"| {_cell(f.limit)} | {_cell(f.reason)} |"
            for f in verdict.findings
        ]
        parts.append("\n".join(["| | Check | Of | Observed | Limit | |", "|---|---|---|---|---|---|", *rows]))
        parts.append(f"Evidence `{identity}`")
    if manifest:
        parts.append(f"Files (SHA-256) `{manifest}`")
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    """Write a value so that it stays in its cell of a Markdown table."""
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
