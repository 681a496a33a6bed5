"""``python -m xops card``: the model card of a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.cli import Verb
from xops.core.errors import Misconfigured

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")
    parser.add_argument("version", nargs="?", help="its number (default: the champion's)")
    parser.add_argument("--card", help="YAML or Markdown with intended use and the like (default: the last card's)")
    parser.add_argument("--out", help="a folder to write model-card.md and model-card.html to (default: show it)")
    parser.add_argument("--mlflow-conn-id", default="mlflow_default", help="connection of MLflow")


def _run(asked: argparse.Namespace) -> dict[str, Any]:
    """Write the card from what is known today; MLflow keeps the one of the promotion.

    :raises Misconfigured: when there is no such version, when nothing was promoted and none is named, or when the
        folder cannot be written to.
    """
    from xops.core.model.card import html_of, markdown_of
    from xops.hooks.models.cards import known_of, read_card
    from xops.hooks.models.champions import champion_version
    from xops.hooks.models.registry import MlflowHook

    version = asked.version or champion_version(asked.model)
    if version is None:
        raise Misconfigured(f"{asked.model} has no champion: nothing was promoted yet; name a version")
    known = known_of(
        MlflowHook(asked.mlflow_conn_id), asked.model, version, read_card(asked.card) if asked.card else None
    )
    written = []
    if asked.out:
        written = _written(Path(asked.out), {"md": markdown_of(known).encode(), "html": html_of(known)})
    return {"model": asked.model, "version": version, "markdown": markdown_of(known), "written": written}


def _written(folder: Path, cards: Mapping[str, bytes]) -> list[str]:
    """Write a card in each form into a folder; give the files."""
    files = {folder / f"model-card.{suffix}": content for suffix, content in cards.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_bytes(content)
    except OSError as error:
        raise Misconfigured(f"--out {folder}: a folder to write to was wanted: {error}") from error
    return list(map(str, files))


def _show(answer: dict[str, Any], console: Console) -> None:
    if answer["written"]:
        console.print(f"wrote {' and '.join(answer['written'])}")
    else:
        console.out(answer["markdown"], highlight=False)


VERB = Verb("card", "Show the model card of a version, or write it to files.", _arguments, _run, _show)
