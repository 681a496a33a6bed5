"""``python -m xops show``: which data trained a version, who let it through, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of
from xops.core.errors import Misconfigured

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")
    parser.add_argument("version", nargs="?", default="champion", help="its number (default: the champion)")
    parser.add_argument("--mlflow-conn-id", default="mlflow_default", help="connection of MLflow")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Give all that is on record of a version.

    :raises Misconfigured: when there is no such version, or nothing was promoted yet.
    """
    from xops.core.model.promotion import champion, withdrawal_of
    from xops.hooks.models.promotion_log import PromotionLog
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.store.evidence import EvidenceStore

    log = PromotionLog(asked.model).read()
    version = champion(log) if asked.version == "champion" else asked.version
    if version is None:
        raise Misconfigured(f"{asked.model} has no champion: nothing was promoted yet")
    left = withdrawal_of(log, version)
    found = MlflowHook(asked.mlflow_conn_id).version(asked.model, version)
    return {
        "model": asked.model,
        "version": version,
        "champion": champion(log) == version,
        "withdrawn": left.to_json() if left else None,
        "run": found.run_id,
        "training": {name.removeprefix("xops."): value for name, value in sorted(found.tags.items())},
        "entries": [entry.to_json() for entry in log if entry.version == version],
        "evidence": [evidence.to_json() for evidence in EvidenceStore().of(asked.model, version)],
    }


def _show(answer: dict[str, Any], console: Console) -> None:
    console.print(f"models:/{answer['model']}/{answer['version']}{', the champion' if answer['champion'] else ''}")
    if left := answer["withdrawn"]:
        console.print(f"withdrawn {left['at']:.16} for version {left['version']} by {left['by']}: {left['reason']}")
    training = table_of("training", "")
    for name, value in answer["training"].items():
        training.add_row(name, value)
    console.print(training)
    for entry in answer["entries"]:
        console.print(
            f"entry {entry['number']}, {entry['at']:.16}: {entry['kind']} by {entry['by']}: {entry['reason']}"
        )
    for evidence in answer["evidence"]:
        verdict = evidence["verdict"]
        findings = table_of("check", "of", "outcome", "observed", "limit", "", title=_title(evidence))
        for finding in verdict["findings"]:
            findings.add_row(*(_cell(finding[name]) for name in ("check", "subject", "outcome", "observed", "limit",
                                                                 "reason")))  # fmt: skip
        console.print(findings)


def _title(evidence: dict[str, Any]) -> str:
    return f"{evidence['verdict']['check']}: {evidence['verdict']['outcome']} ({evidence['id']})"


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


VERB = Verb("show", "Show what a version was trained on, how it was judged, and who let it through.",
            _arguments, _run, _show)  # fmt: skip
