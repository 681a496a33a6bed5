"""Who is champion of a model: changed by an entry of the promotion log, and MLflow's aliases after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured, Refused, bounded
from xops.core.gate import Rule, admit
from xops.core.model.input_contract import misfits
from xops.core.model.promotion import (
    Entry,
    Kind,
    challenger,
    champion,
    entry_of,
    manifest_of,
    previous_champion,
    rollback_target,
)
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.models.champions import load_version
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook
from xops.hooks.models.versions import SUPERSEDED
from xops.hooks.store.evidence import now

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a change.

    :param key: idempotency key: one entry per key.
    :param attempt: which attempt of the task this is; an earlier one appends nothing any more.
    :param by: who or what, for a person.
    """

    key: str
    attempt: int
    by: str


class Promotions:
    """The champions of one model.

    :param model: the registered model.
    :param mlflow_conn_id: connection of MLflow.
    """

    def __init__(self, model: str, *, mlflow_conn_id: str = "mlflow_default") -> None:
        self.model = model
        self.log = PromotionLog(model)
        self.hook = MlflowHook(mlflow_conn_id)

    def promote(
        self, version: str, judged: Sequence[tuple[str, Verdict]], asker: Asker, *, reason: str, rule: Rule
    ) -> Entry:
        """Make a version champion when its verdicts allow it.

        :param judged: id and verdict of each piece of evidence about it.
        :param reason: why, for a person; empty where the evidence says it.
        :raises Refused: when the rule is not met, when the champion changed since the version was compared with it,
            or when a byte of its files changed since it was judged.
        """
        name = f"models:/{self.model}/{version}"
        if not isinstance(reason, str) or (reason and not reason.strip()):
            raise Misconfigured(f"promotion of {name}: a reason was wanted, found {reason!r:.80}")
        verdicts = [verdict for _, verdict in judged]
        admit(verdicts, name, rule)
        if not any({"champion", "manifest"} <= verdict.facts.keys() for verdict in verdicts):
            raise Refused(f"{name}: a verdict of EvaluateModelOperator was wanted, which knows champion and files")
        manifest = self.hook.manifest(self.model, version)

        def propose(log: tuple[Entry, ...]) -> Entry:
            for verdict in verdicts:
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
                number=len(log) + 1, model=self.model, previous=champion(log), version=version, kind=Kind.PROMOTE,
                manifest=manifest, key=asker.key, by=asker.by, reason=reason, at=now(),
                evidence=tuple(identity for identity, _ in judged),
            )  # fmt: skip

        return self._append(asker, propose)

    def roll_back(
        self, to: str, asker: Asker, *, reason: str, force: bool = False, iceberg_conn_id: str = "iceberg_default"
    ) -> Entry:
        """Make a former champion champion again: one that is unchanged, still loads, and still fits today's data.

        :param to: ``previous``, or the number of a version that was champion before.
        :param force: go back even if today's data lack what the version was trained on; the entry says so.
        :raises Misconfigured: when there is no such champion, or it does not load.
        :raises Refused: when today's data do not fit it, and it is not forced.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise Misconfigured(f"rollback of {self.model}: a reason was wanted, found {reason!r:.80}")

        def propose(log: tuple[Entry, ...]) -> Entry:
            version = rollback_target(log, to, self.model)
            against = self._misfits(version, iceberg_conn_id)
            if against and not force:
                raise Refused(
                    f"models:/{self.model}/{version} does not fit today's data, so {champion(log)} stays champion: "
                    f"{'; '.join(against)}. Force it, with the reason, if that is known and wanted"
                )
            return Entry(
                number=len(log) + 1, model=self.model, previous=champion(log), version=version, kind=Kind.ROLLBACK,
                manifest=str(manifest_of(log, version)), key=asker.key, by=asker.by, reason=reason, at=now(),
                overrode=against,
            )  # fmt: skip

        return self._append(asker, propose)

    def reconcile(self, *, dry_run: bool = False) -> Verdict:
        """Set MLflow's aliases to what the log says, and say what had been changed behind its back.

        An alias that was set by hand is put back and is a warning; a champion that is gone or whose files changed is
        a failure, which nobody but a person can mend: by a rollback.

        :param dry_run: say it, and set nothing.
        """
        log, aliases, versions = self.log.read(), self.hook.aliases(self.model), self._versions()
        wanted = _aliases(log, versions)
        findings = [_alias_finding(alias, aliases.get(alias), wanted[alias]) for alias in ("champion", "previous")]
        if log:
            findings.append(self._champion_finding(log, versions))
            if not dry_run:
                self._project()
        return Verdict("registry", self.model, tuple(findings), {"champion": champion(log), "entries": len(log)})

    def _append(self, asker: Asker, propose: Callable[[tuple[Entry, ...]], Entry]) -> Entry:
        """Append one entry, then set the aliases. A retry finds its own entry and goes on from there."""
        self.log.claim(asker.key, asker.attempt)
        entry = entry_of(self.log.read(), asker.key) or self.log.append(asker.key, asker.attempt, propose)
        self._project()
        return entry

    def _project(self) -> None:
        """Set MLflow's aliases to what the log says, until nobody has appended to it meanwhile."""
        log: tuple[Entry, ...] = ()
        while log != (log := self.log.read()):
            found, wanted = self.hook.aliases(self.model), _aliases(log, versions := self._versions())
            for alias, version in wanted.items():
                if version in versions and found.get(alias) != version:
                    self.hook.set_alias(self.model, alias, str(version))
                elif version is None and alias in found:
                    self.hook.delete_alias(self.model, alias)

    def _versions(self) -> dict[str, bool]:
        """Give every version, and whether it counts: not where an older one has its key."""
        return {str(found.version): SUPERSEDED not in found.tags for found in self.hook.versions(self.model)}

    def _champion_finding(self, log: Sequence[Entry], versions: Container[str]) -> Finding:
        version = str(champion(log))
        subject, wanted = f"models:/{self.model}/{version}", manifest_of(log, version)
        if version not in versions:
            reason = "the champion was deleted from the registry; roll back to another version"
            return Finding("champion", subject, Outcome.FAIL, None, wanted, reason=reason)
        try:
            found = self.hook.manifest(self.model, version)
        except Misconfigured as error:
            return Finding("champion", subject, Outcome.FAIL, None, wanted, reason=bounded(error))
        same = found == wanted
        reason = "" if same else "the champion's files changed after it was promoted; roll back to another version"
        return Finding("champion", subject, Outcome.PASS if same else Outcome.FAIL, found, wanted, reason=reason)

    def _misfits(self, version: str, iceberg_conn_id: str) -> tuple[str, ...]:
        """Load a version, and say what keeps today's rows from being given to it."""
        from xops.hooks.iceberg.tables import IcebergHook

        trained = load_version(self.model, version, conn_id=self.hook.conn_id)
        wanted = self.hook.inputs(self.model, version) or dict.fromkeys(trained.record.columns, "")
        try:
            schema = IcebergHook(iceberg_conn_id).table(trained.record.features.table).schema().as_arrow()
        except Misconfigured as error:
            return (str(error),)
        return misfits(wanted, {field.name: str(field.type) for field in schema})


def _aliases(log: Sequence[Entry], versions: Mapping[str, bool]) -> dict[str, str | None]:
    """Give what each alias is to point to; None for nothing."""
    return {
        "champion": champion(log),
        "previous": previous_champion(log),
        "challenger": challenger(log, [version for version, counts in versions.items() if counts]),
    }


def _alias_finding(alias: str, found: str | None, wanted: str | None) -> Finding:
    same = found == wanted
    reason = "" if same else f"it was at {found or 'nothing'}, the promotion log says {wanted or 'nothing'}"
    return Finding(f"alias_{alias}", alias, Outcome.PASS if same else Outcome.WARN, found, wanted, reason=reason)
