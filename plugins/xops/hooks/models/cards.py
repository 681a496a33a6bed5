"""Model cards beside the models: written from what the stores know, logged to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.model.card import Known, html_of, markdown_of, said_of
from xops.core.model.training import TrainingRecord
from xops.core.strict_json import dumps
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook
from xops.hooks.store.evidence import EvidenceStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xops.core.model.promotion import Entry

FOLDER = "card"
_SAID = f"{FOLDER}/said.json"


def read_card(card: Mapping[str, Any] | str) -> dict[str, str]:
    """Give what people wrote for a card.

    :param card: a mapping, or the path of a YAML or Markdown file.
    :raises Misconfigured: when the file cannot be read, or has a field that no card has.
    """
    if not isinstance(card, str):
        return said_of(card)
    import yaml

    try:
        text = Path(card).read_text(encoding="utf-8")
        given = yaml.safe_load(text) if Path(card).suffix in (".yaml", ".yml") else text
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Misconfigured(f"card {card}: a YAML or Markdown file was wanted: {bounded(error)}") from error
    if not isinstance(given, (dict, str)):
        raise Misconfigured(f"card {card}: fields with texts were wanted, found {type(given).__name__}")
    return said_of(given)


def known_of(hook: MlflowHook, model: str, version: str, said: Mapping[str, str] | None = None) -> Known:
    """Give what is known of a version.

    :param said: what people wrote; what its last card has when None.
    :raises Misconfigured: when there is no such version.
    """
    found = hook.version(model, version)
    try:
        record = TrainingRecord.from_tags(found.tags, f"models:/{model}/{version}")
    except Misconfigured:
        record = None  # the card says that it is not known
    store = EvidenceStore()
    newest = [store.latest("data_test", record.features.table, batch) for batch in record.batches] if record else []
    return Known(
        model, version, record, tuple(store.of(model, version)), PromotionLog(model).read(),
        hook.inputs(model, version), _said_before(hook, found.run_id) if said is None else said,
        tuple(one for one in newest if one is not None),
    )  # fmt: skip


def write_card(hook: MlflowHook, model: str, version: str, said: Mapping[str, str] | None = None) -> None:
    """Log the card of a version to its run; written again it is the same.

    :raises Unavailable: when it cannot be written: the promotion log stays as it is, and a retry writes the card.
    """
    try:
        known = known_of(hook, model, version, said)
        run = hook.version(model, version).run_id
        with hook.client() as client:
            client.log_text(run, markdown_of(known), f"{FOLDER}/model-card.md")
            client.log_text(run, html_of(known).decode(), f"{FOLDER}/model-card.html")
            client.log_text(run, dumps(known.said).decode(), _SAID)
    except Misconfigured as error:
        raise Unavailable(
            f"models:/{model}/{version}: its model card is not written, the promotion log is: {error}"
        ) from error


def write_cards_after(hook: MlflowHook, entry: Entry) -> None:
    """Log the cards of both versions of a rollback; one that was deleted from the registry needs none."""
    there = {str(found.version) for found in hook.versions(entry.model)}
    for version in (entry.version, entry.previous):
        if version in there:
            write_card(hook, entry.model, str(version))


def _said_before(hook: MlflowHook, run: str) -> dict[str, str]:
    with hook.client() as client:
        if _SAID not in [file.path for file in client.list_artifacts(run, FOLDER)]:
            return {}
        from mlflow.artifacts import load_dict

        said: dict[str, str] = load_dict(f"runs:/{run}/{_SAID}")
    return said
