"""``python -m xops``: what the operators do, from a shell. Each module here is one verb, and is found by being here."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable
from xops.core.strict_json import dumps

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MISTAKE, OUTAGE = 2, 75  # exit codes: argparse's own for a mistake, and sysexits' EX_TEMPFAIL
_PAGE = 160  # characters of a line where no terminal says how wide it is


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be done. A module of this package has it as ``VERB``.

    :param name: as it is typed.
    :param summary: one line of help.
    :param arguments: adds its arguments.
    :param run: does it; gives plain JSON.
    :param show: says the same to a person.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Any]
    show: Callable[[Any, Console], None]


def verbs() -> list[Verb]:
    """Give every verb, by name."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return sorted((module.VERB for module in modules), key=lambda verb: verb.name)


def table_of(*names: str, title: str | None = None) -> Table:
    """Make a table of named columns in which nothing is cut off: what is too long goes on in the next line."""
    from rich.table import Column, Table

    return Table(*(Column(name, overflow="fold") for name in names), title=title)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks.

    :returns: the exit code: 0, 2 for a mistake, 75 where a service is down and another try may help.
    """
    parser = argparse.ArgumentParser(
        prog="python -m xops", description="Data and models, tested, promoted and watched."
    )
    parsers = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    known = {verb.name: verb for verb in verbs()}
    for verb in known.values():
        own = parsers.add_parser(verb.name, help=verb.summary, description=verb.summary)
        own.add_argument("--json", action="store_true", help="answer in JSON, for machines")
        verb.arguments(own)
    asked = parser.parse_args(arguments)
    try:
        answer = known[asked.verb].run(asked)
    except (Misconfigured, Unavailable) as error:
        sys.stderr.write(f"xops {asked.verb}: {error}\n")
        return MISTAKE if isinstance(error, Misconfigured) else OUTAGE
    if asked.json:
        sys.stdout.write(dumps(answer).decode() + "\n")
    else:
        from rich.console import Console

        known[asked.verb].show(
            answer, Console(width=None if sys.stdout.isatty() else _PAGE, markup=False, highlight=False)
        )
    return 0
