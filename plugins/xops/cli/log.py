"""``python -m xops log``: the promotion log of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xops.cli import Verb, table_of

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the registered model")


def _run(asked: argparse.Namespace) -> list[dict[str, Any]]:
    from xops.hooks.models.promotion_log import PromotionLog

    return [entry.to_json() for entry in PromotionLog(asked.model).read()]


def _show(answer: list[dict[str, Any]], console: Console) -> None:
    table = table_of("entry", "at", "", "version", "it was", "by", "reason")
    for entry in answer:
        overruled = "".join(f"\noverruled: {said}" for said in entry["overrode"])
        table.add_row(
            str(entry["number"]), f"{entry['at']:.16}", entry["kind"], entry["version"], entry["previous"] or "",
            entry["by"], entry["reason"] + overruled,
        )  # fmt: skip
    console.print(table if answer else "nothing was ever promoted")


VERB = Verb("log", "Show who was champion of a model, when, and why.", _arguments, _run, _show)
