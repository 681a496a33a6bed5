"""Figures as inline SVG, in the colours of the page: marks with intervals on one axis, curves, tables of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from xops.core.page.html_page import escaped

_WIDE, _LABELS, _VALUES, _ROW = 560, 190, 70, 24
_SHORT = 16  # characters of a class's name
_LONGEST = 27  # characters of a label that fit beside the axis
_BOX = 330  # height of a plot of curves
_MARGIN = (46, 14, 12, 40)  # left, right, top, bottom


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on an axis.

    :param label: what it is the value of.
    :param low: lower end of its interval; None without one.
    :param high: upper end.
    :param limit: what it was held against; None for nothing.
    :param outcome: gives the colour; empty for none.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    outcome: str = ""

    @property
    def numbers(self) -> list[float]:
        """What the axis has to show."""
        return [one for one in (self.value, self.low, self.high, self.limit) if one is not None and isfinite(one)]


def marks_drawn(marks: Sequence[Mark], *, bars: bool = False) -> str:
    """Draw marks below each other: a point, the line of its interval, and a stroke where its limit is.

    :param marks: at least one; an end of an interval that is not finite is drawn to the edge.
    :param bars: whether a bar reaches from zero to each value.
    """
    numbers = [number for mark in marks for number in mark.numbers] + ([0.0] if bars else [])
    ticks = _ticks(min(numbers), max(numbers), 5)
    reach = _WIDE - _LABELS - _VALUES

    def at(number: float) -> float:
        share = (number - ticks[0]) / (ticks[-1] - ticks[0])
        return round(_LABELS + reach * min(max(share, 0.0), 1.0), 1)

    bottom = len(marks) * _ROW + 8
    drawn = [_grid_line(at(tick), bottom, tick) for tick in ticks]
    if ticks[0] <= 0 <= ticks[-1]:
        drawn.append(f'<path class="zero" d="M{at(0)} 0V{bottom}"/>')
    drawn += [_row(mark, place * _ROW + 16, at, bars=bars) for place, mark in enumerate(marks)]
    return _svg(_WIDE, bottom + 22, "".join(drawn))


def curves_drawn(
    lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, *, diagonal: bool = False
) -> str:
    """Draw curves on one pair of axes, with their names below.

    :param lines: by name the points of each, in order; at least one point in all.
    :param diagonal: whether to draw the line on which both are equal.
    """
    points = [point for line in lines.values() for point in line]
    xs, ys = (_ticks(min(one), max(one), 5) for one in zip(*points, strict=True))
    left, right, top, bottom = _MARGIN
    wide, high = _WIDE - left - right, _BOX - top - bottom

    def at(x: float, y: float) -> str:
        across_share, up_share = (x - xs[0]) / (xs[-1] - xs[0]), (y - ys[0]) / (ys[-1] - ys[0])
        return f"{left + wide * across_share:.1f} {top + high * (1 - up_share):.1f}"

    drawn = []
    for tick in xs:
        x, y = at(tick, ys[0]).split()
        drawn.append(f'<path class="axis" d="M{x} {top}V{y}"/>{_words(x, _BOX - 24, _short(tick), "middle")}')
    for tick in ys:
        x, y = at(xs[0], tick).split()
        drawn.append(f'<path class="axis" d="M{x} {y}H{_WIDE - right}"/>{_words(left - 6, float(y) + 4, _short(tick))}')
    if diagonal:
        low, top_end = max(xs[0], ys[0]), min(xs[-1], ys[-1])
        drawn.append(f'<path class="zero" d="M{at(low, low)}L{at(top_end, top_end)}"/>')
    for place, line in enumerate(lines.values()):
        path = "L".join(at(x, y) for x, y in line)
        drawn.append(f'<path class="{_look(place)}" d="M{path}"/>')
    drawn.append(_words(left + wide / 2, _BOX - 6, across, "middle"))
    drawn.append(f'<g transform="rotate(-90 12 {top + high / 2})">{_words(12, top + high / 2, up, "middle")}</g>')
    for place, name in enumerate(lines if len(lines) > 1 else ()):
        below = _BOX + 12 + 18 * place
        drawn.append(f'<path class="{_look(place)}" d="M{left} {below}h28"/>')
        drawn.append(_words(left + 36, below + 4, name, "start", soft=False))
    return _svg(_WIDE, _BOX + (18 * len(lines) + 6 if len(lines) > 1 else 0), "".join(drawn))


def counts_drawn(rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    """Draw a table of true classes, below each other, and predicted ones, beside each other; the more, the darker.

    :param rows: names of the true classes.
    :param columns: names of the predicted ones.
    :param counts: rows of each, shape (rows, columns).
    """
    left, top, cell = 130, 58, min((_WIDE - 140) / len(columns), 72.0)
    high = min(cell, 34.0)
    drawn = [_words(left + cell * len(columns) / 2, 14, "given", "middle"), _words(left - 10, 14, "true")]
    for place, name in enumerate(columns):
        x = left + cell * (place + 0.5)
        drawn.append(
            f'<g transform="rotate(-30 {x:.1f} {top - 8})">{_words(f"{x:.1f}", top - 8, _cut(name), "middle")}</g>'
        )
    for down, (name, line) in enumerate(zip(rows, counts, strict=True)):
        y, total = top + high * down, sum(line)
        drawn.append(_words(left - 10, f"{y + high / 2 + 4:.1f}", _cut(name), soft=False))
        for across, count in enumerate(line):
            share, x = count / total if total else 0.0, left + cell * across
            drawn.append(
                f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{cell - 2:.1f}" height="{high - 2:.1f}" '
                f'fill-opacity="{0.06 + 0.5 * share:.2f}"><title>{share:.1%} of {escaped(name)}</title></rect>'
                + _words(f"{x + cell / 2 - 1:.1f}", f"{y + high / 2 + 3:.1f}", f"{count:.0f}", "middle", soft=False)
            )
    return _svg(_WIDE, ceil(top + high * len(rows) + 4), "".join(drawn))


def _cut(name: str) -> str:
    return name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"


def _look(place: int) -> str:
    """Give a line's colour and dashes: no two of sixteen are alike."""
    return f"curve c{place % 4} d{(place + place // 4) % 4}"


def _row(mark: Mark, y: int, place: Callable[[float], float], *, bars: bool) -> str:
    low, high = (None if end is None else place(end) for end in (mark.low, mark.high))
    name = mark.label if len(mark.label) <= _LONGEST else f"{mark.label[: _LONGEST - 1]}…"
    parts = [f"<title>{escaped(mark.label)}</title>", _words(_LABELS - 10, y + 4, name, "end", soft=False)]
    if bars:
        start, end = sorted((place(0), place(mark.value)))
        parts.append(
            f'<rect class="point" opacity=".35" x="{start}" y="{y - 7}" width="{end - start:.1f}" height="14"/>'
        )
    if low is not None and high is not None:
        parts.append(f'<path class="interval" d="M{low} {y}H{high}M{low} {y - 4}v8M{high} {y - 4}v8"/>')
    parts.append(f'<circle class="point" cx="{place(mark.value)}" cy="{y}" r="4"/>')
    if mark.limit is not None:
        parts.append(f'<path class="limit" d="M{place(mark.limit)} {y - 9}v18"/>')
    parts.append(_words(_WIDE, y + 4, _short(mark.value), "end", soft=False))
    return f'<g class="{escaped(mark.outcome) or "plain"}">{"".join(parts)}</g>'


def _grid_line(x: float, bottom: int, tick: float) -> str:
    return f'<path class="axis" d="M{x} 0V{bottom}"/>{_words(x, bottom + 16, _short(tick), "middle")}'


def _words(x: float | str, y: float | str, words: str, anchor: str = "end", *, soft: bool = True) -> str:
    look = ' class="soft"' if soft else ""
    return f'<text{look} x="{x}" y="{y}" text-anchor="{anchor}">{escaped(words, 60)}</text>'


def _svg(wide: int, high: int, drawn: str) -> str:
    return f'<svg viewBox="0 0 {wide} {high}" role="img">{drawn}</svg>'


def _short(number: float) -> str:
    return f"{number:.4g}"


def _ticks(low: float, high: float, number: int) -> list[float]:
    """Give round numbers from at most ``low`` to at least ``high``, two or more."""
    if high <= low:
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    raw = (high - low) / number
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]
