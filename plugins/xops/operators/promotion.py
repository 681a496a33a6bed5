"""Who is champion: promoted on evidence, rolled back in one step, every change a line in the promotion log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.gate import Rule
from xops.hooks import traced
from xops.operators.base import CheckOperator, Judged, XopsOperator, announce, origin_of, verdicts_of
from xops.operators.exam import named_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from xops.core.model.promotion import Entry
    from xops.hooks.models.promotions import Asker
    from xops.hooks.store.evidence import EvidenceStore


class PromoteModelOperator(XopsOperator):
    """Make a candidate the champion, when the verdicts about it allow it.

    The step is one object created in the store; of racing promoters one gets each entry. Refused when there is no
    verdict, when the rule is not met, when a verdict is about another version, when the champion changed since the
    candidate was compared with it, or when a byte of the model changed since it was judged.

    Its model card, written from the evidence, is logged to MLflow as ``card/model-card.md`` and ``.html`` of its run. A
    card that cannot be written undoes no promotion; the task is retried until it is.

    :param candidate: what TrainModelOperator returned (templated).
    :param verdicts: evidence about it, as check operators and ApproveModelOperator return it (templated).
    :param rule: ``all_pass``: no verdict fails or is unknown; ``person_agrees``: and ApproveModelOperator's is there.
    :param severity: by kind of check ``critical`` (a warning refuses too), ``error``, or ``warning`` (a failure does
        not refuse); what was not measured refuses always. A check that is named must be among the verdicts.
    :param reason: why, for a person (templated).
    :param card: what people say of the model for its card: a mapping of fields to texts, or the path of a YAML or
        Markdown file (templated). See :data:`xops.core.model.card.SAID`.
    :param mlflow_conn_id: connection of MLflow.
    :returns: the entry of the promotion log; also as ``extra`` of the events of its outlets.
    """

    template_fields = ("candidate", "verdicts", "reason", "card")

    def __init__(
        self,
        *,
        candidate: Any,
        verdicts: Sequence[Any],
        rule: str = "all_pass",
        severity: Mapping[str, str] | None = None,
        reason: str = "",
        card: Mapping[str, str] | str | None = None,
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate
        self.verdicts = verdicts
        self.rule = rule
        self.severity = severity
        self.reason = reason
        self.card = card
        self.mlflow_conn_id = mlflow_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Check the evidence and the files, append, and write the model card; a retry goes on with the card."""
        from xops.hooks.models.cards import read_card, write_card
        from xops.hooks.models.promotions import Promotions

        model, version = named_version(self.candidate)
        said = None if self.card is None else read_card(self.card)
        promotions = Promotions(model, mlflow_conn_id=self.mlflow_conn_id)
        entry = promotions.promote(
            version,
            verdicts_of(self.verdicts),
            asker_of(context),
            reason=self.reason,
            rule=Rule.of(self.rule, self.severity),
        )
        write_card(promotions.hook, model, version, said)
        return _announced(self, context, entry)


class RollbackModelOperator(XopsOperator):
    """Make a former champion the champion again.

    Only one that was promoted before, is unchanged, still loads, and fits today's data: the columns of its signature
    are in the table that it was trained on, with values of the same kind. The model cards of both versions are written
    anew; that of the version that was left says that it was withdrawn, and why.

    :param model: the registered model (templated).
    :param to: ``previous``, or the number of a version that was champion before (templated).
    :param reason: why, for a person; required (templated).
    :param force: go back even if today's data do not fit; the entry keeps what was overruled (templated).
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :returns: the entry of the promotion log; also as ``extra`` of the events of its outlets.
    """

    template_fields = ("model", "to", "reason", "force")

    def __init__(
        self,
        *,
        model: str,
        to: str = "previous",
        reason: str,
        force: bool | str = False,
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.to = to
        self.reason = reason
        self.force = force
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """See that the version loads and fits, append, and write the model cards; a retry goes on with the cards."""
        from xops.hooks.models.cards import write_cards_after
        from xops.hooks.models.promotions import Promotions

        promotions = Promotions(self.model, mlflow_conn_id=self.mlflow_conn_id)
        entry = promotions.roll_back(
            self.to,
            asker_of(context),
            reason=self.reason,
            force=str(self.force).lower() == "true",
            iceberg_conn_id=self.iceberg_conn_id,
        )
        write_cards_after(promotions.hook, entry)
        return _announced(self, context, entry)


class ReconcileModelOperator(CheckOperator):
    """Hold MLflow's registry against the promotion log, and set its aliases right.

    An alias that somebody set by hand is put back and is a warning; a champion that was deleted, or whose files
    changed, is a failure, which a rollback mends.

    :param model: the registered model (templated).
    :param mlflow_conn_id: connection of MLflow.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``fail`` by default.
    :returns: the evidence.
    """

    template_fields = ("model",)

    def __init__(self, *, model: str, mlflow_conn_id: str = "mlflow_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.mlflow_conn_id = mlflow_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:  # noqa: ARG002 - the interface
        """Compare, repair, and say what was found."""
        from xops.hooks.models.promotions import Promotions

        return Judged(Promotions(self.model, mlflow_conn_id=self.mlflow_conn_id).reconcile(), self.model)


def asker_of(context: Context) -> Asker:
    """Give the task that runs as the one who asks for a change of champion."""
    from xops.hooks.models.promotions import Asker

    origin = origin_of(context)
    by = f"{origin.dag_id}/{origin.run_id}/{origin.task_id}"
    return Asker(origin.key, int(context["ti"].try_number), by)


def _announced(operator: XopsOperator, context: Context, entry: Entry) -> dict[str, Any]:
    operator.log.info("promotion log of %s, entry %s: version %s is champion", entry.model, entry.number, entry.version)
    traced.wrote(traced.model_version(entry.model, entry.version, operator.mlflow_conn_id))
    announce(context, operator.outlets, entry.to_json())
    return entry.to_json()
