"""A page that needs nothing but itself: no script, no outside host, light, dark or printed; every text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from xops.core.errors import bounded
from xops.core.strict_json import dumps

_CSS = """
:root{color-scheme:light dark;--page:#fff;--text:#1c2430;--soft:#5b6675;--line:#d5dbe3;--panel:#f5f7fa;--mark:#1f5fbf;
--other:#b4540a;--pass:#1a7f37;--warn:#946200;--fail:#c6262e;--unknown:#6e4fb3}
@media(prefers-color-scheme:dark){:root{--page:#12161c;--text:#e4e9f0;--soft:#9aa6b5;--line:#333c48;--panel:#1a2029;
--mark:#6ea8ff;--other:#f0a35e;--pass:#4cc26b;--warn:#dfb13d;--fail:#ff7b78;--unknown:#b59bf2}}
@media print{:root{color-scheme:light;--page:#fff;--text:#000;--soft:#444;--line:#bbb;--panel:#fff;--mark:#1f5fbf;
--other:#b4540a;--pass:#1a7f37;--warn:#946200;--fail:#c6262e;--unknown:#6e4fb3}
@page{margin:14mm 12mm}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:68rem;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.4rem 0 .8rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
p,li,blockquote{overflow-wrap:anywhere;max-width:48rem}p.soft{color:var(--soft)}
blockquote{margin:0 0 .8rem;padding:.1rem 1rem;border-left:3px solid var(--line);white-space:pre-wrap}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.875rem}
th{color:var(--soft);font-weight:600}th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;
border-bottom:1px solid var(--line);overflow-wrap:break-word;max-width:22rem;font-variant-numeric:tabular-nums}
th{white-space:nowrap}td:last-child{min-width:14rem}
.outcome{display:inline-block;padding:0 .55rem;border:1px solid currentColor;border-radius:1rem;font-size:.8rem;
font-weight:600;white-space:nowrap}
.pass{color:var(--pass)}.warn{color:var(--warn)}.fail{color:var(--fail)}.unknown{color:var(--unknown)}
.figures{columns:27rem;column-gap:1rem}
figure{margin:0 0 1rem;padding:.9rem;background:var(--panel);border:1px solid var(--line);border-radius:.5rem;
break-inside:avoid}
figcaption{font-weight:600;margin-bottom:.5rem;overflow-wrap:anywhere}
figcaption span{display:block;font-weight:400;font-size:.85rem;color:var(--soft)}
svg{display:block;width:100%;height:auto;max-width:40rem;font-size:11.5px;fill:var(--text)}
svg .soft{fill:var(--soft)}svg .axis{stroke:var(--line);fill:none}
svg .zero{stroke:var(--soft);stroke-dasharray:4 3;fill:none}svg .limit{stroke:var(--text);stroke-width:2}
svg .c0{stroke:var(--mark)}svg .c1{stroke:var(--other)}svg .c2{stroke:var(--pass)}svg .c3{stroke:var(--unknown)}
svg .curve{fill:none;stroke-width:2}svg .d1{stroke-dasharray:6 3}svg .d2{stroke-dasharray:2 2}
svg .d3{stroke-dasharray:8 2 2 2}
svg .cell{fill:var(--mark)}
svg .point{fill:currentColor;stroke:none}svg .interval{stroke:currentColor;stroke-width:2}svg .plain{color:var(--mark)}
@media print{*{print-color-adjust:exact}body{padding:0;max-width:none;font-size:10pt}p{max-width:none}
tr,header{break-inside:avoid}h2{break-after:avoid}
.wide{overflow:visible}table{font-size:7.5pt}th,td{padding:.25rem .5rem .25rem 0;max-width:none}
td:nth-child(2),td:nth-child(3),td:last-child{overflow-wrap:anywhere;min-width:5rem}
td:nth-child(2){min-width:8rem}td:last-child{min-width:11rem}.outcome{font-size:7pt;padding:0 .4rem}
.figures{columns:auto}figcaption span{font-size:8.5pt}svg{max-width:27rem}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def escaped(value: Any, limit: int = 300) -> str:
    """Give any value as one line of text that HTML reads as text: numbers short, lists and mappings as JSON."""
    if isinstance(value, float):
        value = f"{value:.5g}"
    elif value is None:
        value = ""
    elif not isinstance(value, str):
        value = dumps(value).decode()
    return html.escape(bounded(value, limit))


def prose(said: str) -> str:
    """Give what people wrote, line by line, as text."""
    return f"<blockquote>{html.escape(said)}</blockquote>"


def badge(outcome: str) -> str:
    """Give an outcome in its colour; the word says it without."""
    return f'<span class="outcome {escaped(outcome)}">{escaped(outcome)}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, outcomes: bool = False) -> str:
    """Give a table of texts.

    :param outcomes: whether each row's first cell is an outcome, to be shown in its colour.
    """
    first = badge if outcomes else escaped
    lines = "".join(
        "<tr>" + "".join(f"<td>{(escaped if place else first)(cell)}</td>" for place, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    names = "".join(f"<th>{escaped(name)}</th>" for name in head)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def figure(title: str, below: str, drawing: str) -> str:
    """Give a drawing with its caption."""
    more = f"<span>{escaped(below, 200)}</span>" if below else ""
    return f"<figure><figcaption>{escaped(title, 120)}{more}</figcaption>{drawing}</figure>"


def page(title: str, body: str) -> bytes:
    """Give the whole page; ``body`` is HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_CSS}</style></head><body>{body}</body></html>\n"
    ).encode()
