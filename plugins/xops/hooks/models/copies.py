"""A model version in another registry, byte for byte, with the evidence that stood behind it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xops.core.errors import Misconfigured
from xops.core.model.promotion import champion, manifest_of
from xops.hooks.models import model_files
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST
from xops.hooks.store.evidence import EvidenceStore

if TYPE_CHECKING:
    from xops.hooks.store.objects import Objects

COPIED_FROM = "xops.copied_from"


@dataclass(frozen=True, slots=True)
class Copied:
    """What came over.

    :param version: the version in the target registry.
    :param source: the version it was copied from, ``models:/model/version``.
    :param entry: the number of the source's promotion log under which that became champion.
    :param manifest: SHA-256 digest of its files, the same in both.
    :param evidence: ids of the evidence that was copied.
    """

    version: str
    source: str
    entry: int
    manifest: str
    evidence: tuple[str, ...]


def copy_champion(
    model: str, *, to_model: str, key: str, source: MlflowHook, source_store: Objects, target: MlflowHook
) -> Copied:
    """Copy a model's champion, as its promotion log names it, into another registry.

    Called again with the same key it goes on where it ended: one run and one version in the target.

    :param key: idempotency key of the task.
    :param source_store: the store with the source's promotion log and evidence.
    :raises Misconfigured: when the source has no champion, or its files changed after it was promoted.
    """
    log = PromotionLog(model, source_store).read()
    version = champion(log)
    if version is None:
        raise Misconfigured(f"{model} has no champion in {source_store.url}; only what was promoted there is copied")
    name, manifest = f"models:/{model}/{version}", str(manifest_of(log, version))
    found = source.version(model, version)
    with source.files(model, version) as files:
        if model_files.manifest_digest(files) != manifest:
            raise Misconfigured(f"{name}: its files changed after it was promoted, so they are not copied")
        with source.client() as client:
            run = client.get_run(found.run_id)
        training = Training(
            model=to_model,
            key=key,
            params=run.data.params,
            tags=_own(found.tags) | {COPIED_FROM: name},
            metrics=run.data.metrics,
            inputs={
                role: (given.dataset.name, given.dataset.digest)
                for given in run.inputs.dataset_inputs
                for role in [next((tag.value for tag in given.tags if tag.key == "mlflow.data.context"), "data")]
            },
        )
        copied = target.add_version(training, files)
    if target.manifest(to_model, copied) != manifest:
        raise Misconfigured(f"models:/{to_model}/{copied}: its files are not those of {name}; copy it again")
    _copy_run_files(source, found.run_id, target, target.version(to_model, copied).run_id)
    evidence = _copy_evidence(model, version, source_store, to_model, copied)
    return Copied(copied, name, next(e.number for e in reversed(log) if e.version == version), manifest, evidence)


def _own(tags: dict[str, str]) -> dict[str, str]:
    """Give what a training recorded; the key and the manifest are the copy's own."""
    return {
        name: value for name, value in tags.items() if name.startswith("xops.") and name not in ("xops.key", MANIFEST)
    }


def _copy_run_files(source: MlflowHook, run: str, target: MlflowHook, to_run: str) -> None:
    """Copy the files of a run: the model card and whatever else was logged beside the model."""
    with tempfile.TemporaryDirectory(prefix="xops-run-") as folder:
        with source.client() as client:
            there = [file.path for file in client.list_artifacts(run)]
            for path in there:
                client.download_artifacts(run, path, folder)
        if there:
            with target.client() as client:
                client.log_artifacts(to_run, folder)


def _copy_evidence(model: str, version: str, store: Objects, to_model: str, to_version: str) -> tuple[str, ...]:
    """Keep the evidence about a version under the copy's name; verdicts and ids stay as they were."""
    source, target = EvidenceStore(store), EvidenceStore()
    found = source.of(model, version)
    for evidence in found:
        target.keep(replace(evidence, about=to_model, batch=to_version), source)
    return tuple(evidence.id for evidence in found)
