"""What killed trainings left in MLflow, brought to an end: runs, model directories, and versions of one key."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.model.promotion import manifest_of
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks.models.model_cache import ModelCache
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.promotions import Promotions
from xops.hooks.models.registry import MlflowHook
from xops.hooks.models.versions import KEY, SUPERSEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

_DELETED_TOO = 3  # ViewType.ALL of MLflow, which is not imported for it
KINDS = {
    "stuck_runs": "runs that nobody ended",
    "surplus_runs": "runs beside the one that counts",
    "unfinished_models": "model directories that were never finished",
    "unregistered_models": "model directories that no version is made of",
    "superseded_versions": "versions beside the one that counts",
}


@dataclass(frozen=True, slots=True)
class _Leftover:
    """One thing that is not as a finished training leaves it, and what sets it right; done twice it does no harm."""

    kind: str
    name: str
    mend: Callable[[MlflowClient], None]


def tidy(
    models: Sequence[str] = (), *, older_than: timedelta, dry_run: bool = False, conn_id: str = "mlflow_default"
) -> Verdict:
    """Bring to an end what killed trainings left, set the aliases to what the promotion logs say, sweep the cache.

    Only runs with an idempotency key of ours are touched, and what hangs on them. A run that still runs after
    ``older_than`` is finished when its key has a version, else failed. Killed anywhere, the next call goes on.

    :param models: registered models; every one that has runs or versions of ours when empty.
    :param older_than: what began later than this before now may still be at work, and is left alone.
    :param dry_run: find, and change nothing.
    :returns: for each model and kind how many were found, a warning where there were any; and the aliases' findings.
        Its fact ``cached_models`` names what this machine no longer keeps of models that it fetched.
    :raises Misconfigured: when a model that was named has neither runs nor versions of ours.
    """
    hook, before = MlflowHook(conn_id), int((time.time() - older_than.total_seconds()) * 1000)
    findings: list[Finding] = []
    counts: dict[str, dict[str, int]] = {}
    for model in models or _every_name(hook):
        found = _leftovers(hook, model, before)
        if found is None:
            if models:
                raise Misconfigured(f"{model}: MLflow ({conn_id}) has no run and no version of it with a key of ours")
            continue
        if not dry_run:
            for leftover in found:
                with hook.client() as client:
                    leftover.mend(client)
        counts[model] = {kind: sum(leftover.kind == kind for leftover in found) for kind in KINDS}
        findings += [_finding(model, kind, [one.name for one in found if one.kind == kind], dry_run) for kind in KINDS]
        findings += _reconciled(model, conn_id, dry_run=dry_run)
    swept = ModelCache().sweep(dry_run=dry_run)
    facts = {"dry_run": dry_run, "found": counts, "cached_models": swept}
    return Verdict("tidy", ", ".join(counts) or "no model", tuple(findings), facts)


def _leftovers(hook: MlflowHook, model: str, before: int) -> list[_Leftover] | None:
    """Give what is to be set right of a model; None when nothing of it is ours."""
    versions = [version for version in hook.versions(model) if KEY in version.tags]
    experiment, runs = _runs(hook, model)
    if not versions and not runs:
        return None
    canonical: dict[str, ModelVersion] = {}
    for version in versions:  # oldest first
        canonical.setdefault(version.tags[KEY], version)
    old = [run for run in runs if run.info.start_time <= before and run.info.lifecycle_stage == "active"]
    return [
        *_of_runs(old, canonical),
        *_of_models(hook, _models(hook, experiment, before), {run.info.run_id: run for run in runs}, versions),
        *_of_versions(hook, model, [version for version in versions if version not in canonical.values()]),
    ]


def _of_runs(runs: Iterable[Run], canonical: dict[str, ModelVersion]) -> Iterator[_Leftover]:
    """Give the runs to delete and to end; of several with one key that of the version counts, else the oldest."""
    by_key = defaultdict(list)
    for run in runs:
        by_key[run.data.tags[KEY]].append(run)
    for key, same in by_key.items():
        version = canonical.get(key)
        kept = next((run for run in same if version is not None and run.info.run_id == version.run_id), same[0])
        for run in same:
            name = run.info.run_id
            if run is not kept:
                yield _Leftover("surplus_runs", name, lambda client, name=name: client.delete_run(name))
            elif run.info.status in ("RUNNING", "SCHEDULED"):
                status = "FAILED" if version is None else "FINISHED"
                yield _Leftover(
                    "stuck_runs", name, lambda client, name=name, status=status: client.set_terminated(name, status)
                )


def _of_models(
    hook: MlflowHook, models: Iterable[LoggedModel], runs: Mapping[str, Run], versions: Sequence[ModelVersion]
) -> Iterator[_Leftover]:
    """Give the model directories to delete: those not finished, and those that an aborted attempt finished in vain.

    A finished one whose key has no version stays where its run has ended well: a person deleted the version.
    """
    sources, keys = {version.source for version in versions}, {version.tags[KEY] for version in versions}
    for model in models:
        run = runs.get(str(model.source_run_id))
        if run is None or model.model_uri in sources:
            continue
        if str(model.status) in ("PENDING", "FAILED"):
            kind = "unfinished_models"
        elif (run.info.status == "FINISHED" and run.data.tags[KEY] not in keys) or _is_registered(hook, model):
            continue
        else:
            kind = "unregistered_models"
        yield _Leftover(kind, model.model_id, lambda client, model=model: _drop(client, model))


def _is_registered(hook: MlflowHook, model: LoggedModel) -> bool:
    """Tell whether any registered model, ours or not, has a version made of a model directory."""
    with hook.client() as client:
        return bool(client.search_model_versions(f"source_path = '{model.model_uri}'", max_results=1))


def _drop(client: MlflowClient, model: LoggedModel) -> None:
    if str(model.status) == "PENDING":
        client.finalize_logged_model(model.model_id, "FAILED")
    client.delete_logged_model(model.model_id)


def _of_versions(hook: MlflowHook, model: str, surplus: Sequence[ModelVersion]) -> Iterator[_Leftover]:
    """Give the versions to mark; one that the promotion log names keeps the aliases that the log gives it."""
    if not surplus:
        return
    log, aliases = PromotionLog(model).read(), hook.aliases(model)
    for version in map(str, (found.version for found in surplus)):
        there = [alias for alias, at in aliases.items() if at == version and manifest_of(log, version) is None]
        marked = any(str(found.version) == version and SUPERSEDED in found.tags for found in surplus)
        if there or not marked:
            yield _Leftover(
                "superseded_versions",
                version,
                lambda client, version=version, there=there: _mark(client, model, version, there),
            )


def _mark(client: MlflowClient, model: str, version: str, aliases: Sequence[str]) -> None:
    for alias in aliases:
        client.delete_registered_model_alias(model, alias)
    client.set_model_version_tag(model, version, SUPERSEDED, "true")


def _runs(hook: MlflowHook, model: str) -> tuple[str, list[Run]]:
    """Give the experiment of a model, empty for none, and its runs that have a key of ours, oldest first.

    Those deleted are among them: what hangs on them is ours too.
    """
    with hook.client() as client:
        experiment = client.get_experiment_by_name(model)
    if experiment is None:
        return "", []
    wanted, order = f"tags.`{KEY}` LIKE '%'", ["start_time ASC"]
    found = _pages(
        hook,
        lambda client, token: client.search_runs([experiment.experiment_id], wanted, _DELETED_TOO, 1000, order, token),
    )
    return experiment.experiment_id, list(found)


def _models(hook: MlflowHook, experiment: str, before: int) -> Iterator[LoggedModel]:
    """Give the model directories that were begun before; MLflow's own filter by status finds all."""
    wanted = f"creation_timestamp <= {before}"
    if experiment:
        yield from _pages(
            hook, lambda client, token: client.search_logged_models([experiment], wanted, page_token=token)
        )


def _every_name(hook: MlflowHook) -> list[str]:
    """Give the names of all experiments and registered models that may be ours."""
    experiments = _pages(hook, lambda client, token: client.search_experiments(page_token=token))
    registered = _pages(hook, lambda client, token: client.search_registered_models(page_token=token))
    names = {found.name for found in experiments} | {found.name for found in registered}
    return sorted(name for name in names if "'" not in name and "\\" not in name)  # ours have no quotes


def _pages(hook: MlflowHook, ask: Callable[[MlflowClient, str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        with hook.client() as client:
            page = ask(client, token)
        yield from page
        token = page.token
        if not token:
            return


def _finding(model: str, kind: str, names: Sequence[str], dry_run: bool) -> Finding:
    if not names:
        return Finding(kind, model, Outcome.PASS, 0, 0)
    done = "to be set right" if dry_run else "set right"
    reason = f"{len(names)} {KINDS[kind]}, {done}: {bounded(', '.join(names), 200)}"
    return Finding(kind, model, Outcome.WARN, len(names), 0, reason=reason)


def _reconciled(model: str, conn_id: str, *, dry_run: bool) -> tuple[Finding, ...]:
    """Hold the aliases against the promotion log; a model that nobody promoted has nothing to be held against."""
    promotions = Promotions(model, mlflow_conn_id=conn_id)
    if not promotions.log.read():
        return ()
    try:
        return promotions.reconcile(dry_run=dry_run).findings
    except Misconfigured as error:
        return (Finding("registry", model, Outcome.FAIL, None, None, reason=bounded(error)),)
