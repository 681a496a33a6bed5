"""Who is champion: promoted on evidence, rolled back in one step, every change a line in the promotion log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Refused
from xops.core.promotion import (
    Entry,
    Kind,
    admit,
    champion,
    entry_of,
    manifest_of,
    previous_champion,
    rollback_target,
)
from xops.operators.base import XopsOperator, announce, origin_of, verdicts_of
from xops.operators.evaluation import named_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from xops.hooks.mlflow_registry import MlflowHook


class _ChampionOperator(XopsOperator):
    """Appends to the promotion log, then sets MLflow's aliases to match. A retry finds its own entry and goes on."""

    mlflow_conn_id: str

    def append(self, context: Context, model: str, propose: Callable[[tuple[Entry, ...]], Entry]) -> dict[str, Any]:
        """Append one entry, project it onto the aliases, and announce it to the outlets."""
        from xops.hooks.mlflow_registry import MlflowHook
        from xops.hooks.promotion_log import PromotionLog

        log, key, attempt = PromotionLog(model), origin_of(context).key, int(context["ti"].try_number)
        log.claim(key, attempt)
        entry = entry_of(log.read(), key) or log.append(key, attempt, propose)
        project_aliases(MlflowHook(self.mlflow_conn_id), model, log.read())
        self.log.info("promotion log of %s, entry %s: version %s is champion", model, entry.number, entry.version)
        announce(context, self.outlets, entry.to_json())
        return entry.to_json()


class PromoteModelOperator(_ChampionOperator):
    """Make a candidate the champion, when every verdict about it passes.

    The step is one object created in the store; of racing promoters one gets each entry. Refused when there is no
    verdict, when one does not pass or is about another version, when the champion changed since the candidate was
    compared with it, or when a byte of the model changed since it was judged.

    :param candidate: what TrainModelOperator returned (templated).
    :param verdicts: evidence about it, as check operators return it (templated).
    :param reason: why, for a person (templated).
    :param mlflow_conn_id: connection of MLflow.
    :returns: the entry of the promotion log; also as ``extra`` of the events of its outlets.
    """

    template_fields = ("candidate", "verdicts", "reason")

    def __init__(
        self,
        *,
        candidate: Any,
        verdicts: Sequence[Any],
        reason: str = "",
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate
        self.verdicts = verdicts
        self.reason = reason
        self.mlflow_conn_id = mlflow_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Check the evidence and the files, then append."""
        from xops.hooks.evidence_store import now
        from xops.hooks.mlflow_registry import MlflowHook

        model, version = named_version(self.candidate)
        origin, name = origin_of(context), f"models:/{model}/{version}"
        judged = verdicts_of(self.verdicts)
        admit([verdict for _, verdict in judged], name)
        manifest = MlflowHook(self.mlflow_conn_id).manifest(model, version)

        if not any({"champion", "manifest"} <= verdict.facts.keys() for _, verdict in judged):
            raise Refused(f"{name}: a verdict of EvaluateModelOperator was wanted, which knows champion and files")

        def propose(log: tuple[Entry, ...]) -> Entry:
            for _, verdict in judged:
                if verdict.facts.get("champion", champion(log)) != champion(log):
                    raise Refused(
                        f"{name} was compared with version {verdict.facts['champion']}, meanwhile "
                        f"{champion(log)} is champion; evaluate it again"
                    )
                if verdict.facts.get("manifest", manifest) != manifest:
                    raise Refused(f"{name}: its files changed after it was judged; train it again")
            if champion(log) == version:
                raise Misconfigured(f"{name} is champion already")
            return Entry(
                number=len(log) + 1, model=model, previous=champion(log), version=version, kind=Kind.PROMOTE,
                manifest=manifest, key=origin.key, by=f"{origin.dag_id}/{origin.run_id}/{origin.task_id}",
                reason=self.reason, at=now(), evidence=tuple(identity for identity, _ in judged),
            )  # fmt: skip

        return self.append(context, model, propose)


class RollbackModelOperator(_ChampionOperator):
    """Make a former champion the champion again. Only one that was promoted before, is unchanged, and still loads.

    :param model: the registered model (templated).
    :param to: ``previous``, or the number of a version that was champion before (templated).
    :param reason: why, for a person; required (templated).
    :param mlflow_conn_id: connection of MLflow.
    :returns: the entry of the promotion log; also as ``extra`` of the events of its outlets.
    """

    template_fields = ("model", "to", "reason")

    def __init__(
        self,
        *,
        model: str,
        to: str = "previous",
        reason: str,
        mlflow_conn_id: str = "mlflow_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.to = to
        self.reason = reason
        self.mlflow_conn_id = mlflow_conn_id

    def act(self, context: Context) -> dict[str, Any]:
        """Find the version, see that it loads, then append."""
        from xops.hooks.champions import load_version
        from xops.hooks.evidence_store import now

        if not self.reason.strip():
            raise Misconfigured(f"rollback of {self.model}: a reason was wanted, it is empty")
        origin = origin_of(context)

        def propose(log: tuple[Entry, ...]) -> Entry:
            version = rollback_target(log, self.to, self.model)
            load_version(self.model, version, conn_id=self.mlflow_conn_id)
            return Entry(
                number=len(log) + 1, model=self.model, previous=champion(log), version=version, kind=Kind.ROLLBACK,
                manifest=str(manifest_of(log, version)), key=origin.key,
                by=f"{origin.dag_id}/{origin.run_id}/{origin.task_id}", reason=self.reason, at=now(),
            )  # fmt: skip

        return self.append(context, self.model, propose)


def project_aliases(hook: MlflowHook, model: str, log: Sequence[Entry]) -> None:
    """Set MLflow's aliases ``champion`` and ``previous`` to what the log says."""
    hook.set_alias(model, "champion", str(champion(log)))
    before = previous_champion(log)
    if before is not None:
        hook.set_alias(model, "previous", before)
