"""From a regular expression of Python to one of RE2 that finds the same texts."""

from __future__ import annotations

import re
import warnings

_CLASSES = {
    "d": r"\p{Nd}",
    "w": r"\p{L}\p{N}_",
    "s": r"\t-\r\x1c-\x20\x{85}\p{Z}",
}
_NEGATED = {"D": "d", "W": "w", "S": "s"}
_CONTROLS = "tnrfv"
_REPEATS = 1000  # RE2 allows no more
_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(,(\d*))?\}")


def translate(pattern: str) -> str | None:
    r"""Give the expression in RE2's dialect, or None when the two dialects could differ.

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
        piece = _set(pattern, at) if pattern[at] == "[" else _atom(pattern, at)
        if piece is None:
            return None
        made.append(piece[0])
        at = piece[1]
        if quantifier := _QUANTIFIER.match(pattern, at):
            bounds = [int(bound) for bound in (quantifier[1], quantifier[3]) if bound]
            after = pattern[quantifier.end() : quantifier.end() + 1]
            if max(bounds, default=0) > _REPEATS or after == "+" or piece[0] in ("^", r"(?:\n?\z)"):
                return None
            at = quantifier.end() + (after == "?")
            made.append(quantifier[0] + ("?" if after == "?" else ""))
    return "".join(made)


def _atom(pattern: str, at: int) -> tuple[str, int] | None:  # noqa: PLR0911 - one return a kind of atom
    char = pattern[at]
    if char == "\\":
        return _escape(pattern[at + 1], at + 2)
    if char == "(":
        if pattern[at + 1 : at + 2] != "?":
            return "(?:", at + 1
        return ("(?:", at + 3) if pattern[at + 2] == ":" else None
    if char == "$":
        return (r"(?:\n?\z)", at + 1) if re.fullmatch(r"\)*(\|.*)?", pattern[at + 1 :], re.DOTALL) else None
    if char == ".":
        return r"[^\n]", at + 1
    if char in "^|)":
        return char, at + 1
    if char == "{" or not char.isprintable():
        return None
    return re.escape(char) if char.isascii() and not char.isalnum() and char not in "_ <>\"%'`,;:!@=" else char, at + 1


def _escape(char: str, end: int) -> tuple[str, int] | None:
    if char in _CLASSES:
        return f"[{_CLASSES[char]}]", end
    if char in _NEGATED:
        return f"[^{_CLASSES[_NEGATED[char]]}]", end
    if char in _CONTROLS or (char.isascii() and char.isprintable() and not char.isalnum() and char not in "_ "):
        return "\\" + char, end
    return None


def _set(pattern: str, at: int) -> tuple[str, int] | None:
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
            if escaped in _CLASSES:
                made.append(_CLASSES[escaped])
            elif escaped in _CONTROLS or (escaped.isascii() and not escaped.isalnum() and escaped.isprintable()):
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
