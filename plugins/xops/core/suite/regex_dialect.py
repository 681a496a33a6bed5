"""From a regular expression of Python to one of another dialect that finds the same texts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

_NEGATED = {"D": "d", "W": "w", "S": "s"}
_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class RegexDialect:
    r"""What differs between the dialects that are written.

    :param classes: what stands for ``\d``, ``\w`` and ``\s`` within brackets.
    :param end: what stands for ``$``: the end of the text, or a line break before it.
    :param controls: the letters of ``\t`` and the like.
    :param repeats: the most repetitions that a quantifier may ask for.
    """

    classes: Mapping[str, str]
    end: str
    controls: str
    repeats: int


RE2 = RegexDialect(
    {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "s": r"\t-\r\x1c-\x20\x{85}\p{Z}"}, r"(?:\n?\z)", "tnrfv", 1000
)


def ascii_dialect(end: str) -> RegexDialect:
    r"""Give what PostgreSQL, Java and RE2 read alike; its ``\d``, ``\w`` and ``\s`` hold for ASCII texts only.

    :param end: how the database writes the very end of a text.
    """
    return RegexDialect({"d": "0-9", "w": "0-9A-Za-z_", "s": r"\x1c- \t-\r"}, rf"(?:\n?{end})", "tnrf", 255)


def translate(pattern: str, to: RegexDialect = RE2) -> str | None:
    r"""Give the expression in another dialect, or None when the two dialects could differ.

    Translated are literals, classes, groups without a name, alternatives, quantifiers, ``^``, ``$`` at an end, ``.``
    and ``\d \w \s``. RE2 has no look-around and no references, and reads ``\b`` as ASCII does.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python may read otherwise one day
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, Warning):
        return None
    made, at = [], 0
    while at < len(pattern):
        piece = _set(pattern, at, to) if pattern[at] == "[" else _atom(pattern, at, to)
        if piece is None:
            return None
        made.append(piece[0])
        at = piece[1]
        if quantifier := _QUANTIFIER.match(pattern, at):
            bounds = [int(bound) for bound in (quantifier[1], quantifier[3]) if bound]
            after = pattern[quantifier.end() : quantifier.end() + 1]
            if max(bounds, default=0) > to.repeats or after == "+" or piece[0] in ("^", to.end):
                return None
            at = quantifier.end() + (after == "?")
            made.append(quantifier[0] + ("?" if after == "?" else ""))
    return "".join(made)


def _atom(pattern: str, at: int, to: RegexDialect) -> tuple[str, int] | None:  # noqa: PLR0911 - one return a kind of atom
    char = pattern[at]
    if char == "\\":
        return _escape(pattern[at + 1], at + 2, to)
    if char == "(":
        if pattern[at + 1 : at + 2] != "?":
            return "(?:", at + 1
        return ("(?:", at + 3) if pattern[at + 2] == ":" else None
    if char == "$":
        return (to.end, at + 1) if re.fullmatch(r"\)*(\|.*)?", pattern[at + 1 :], re.DOTALL) else None
    if char == ".":
        return r"[^\n]", at + 1
    if char in "^|)":
        return char, at + 1
    if char == "{" or not char.isprintable():
        return None
    return re.escape(char) if char.isascii() and not char.isalnum() and char not in "_ <>\"%'`,;:!@=" else char, at + 1


def _escape(char: str, end: int, to: RegexDialect) -> tuple[str, int] | None:
    if char in to.classes:
        return f"[{to.classes[char]}]", end
    if char in _NEGATED:
        return f"[^{to.classes[_NEGATED[char]]}]", end
    if char in to.controls or (char.isascii() and char.isprintable() and not char.isalnum() and char not in "_ "):
        return "\\" + char, end
    return None


def _set(pattern: str, at: int, to: RegexDialect) -> tuple[str, int] | None:
    """Translate a class, of printable characters and escapes."""
    made, at = ["["], at + 1
    if pattern[at] == "^":
        made.append("^")
        at += 1
    first = at
    while pattern[at] != "]" or at == first:
        char = pattern[at]
        if char == "\\":
            escaped = pattern[at + 1]
            if escaped in to.classes:
                made.append(to.classes[escaped])
            elif escaped in to.controls or (escaped.isascii() and not escaped.isalnum() and escaped.isprintable()):
                made.append("\\" + escaped)
            else:
                return None
            at += 2
            continue
        if char == "[" or not char.isprintable():
            return None
        made.append("\\]" if char == "]" else char)
        at += 1
    return "".join((*made, "]")), at + 1
