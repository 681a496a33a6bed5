"""What a person may write to name a version of a dataset: a snapshot, a tag, a moment, or nothing for the newest."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from xops.core.errors import Misconfigured

_SNAPSHOT = re.compile(r"[0-9]+|[0-9a-f]{64}")
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*")  # what stands before an @ in it is a connection
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,79}")
_TAKEN = ("main", "audit-", "quarantine-")  # branches have these names


@dataclass(frozen=True, slots=True)
class VersionName:
    """A name of one version; at most one of ``snapshot``, ``tag`` and ``moment`` is set, none for the newest.

    :param table: the dataset: ``namespace.table``, or the URL of another.
    :param snapshot: a snapshot's number, as text.
    :param tag: a tag's name.
    :param moment: what readers saw then; with a time zone.
    """

    table: str
    snapshot: str = ""
    tag: str = ""
    moment: dt.datetime | None = None

    @classmethod
    def read(cls, text: str) -> VersionName:
        """Read ``table``, ``table@123``, ``table@tag`` or ``table@2026-01-31T06:00:00+00:00``.

        :raises Misconfigured: for anything else; a moment without a time zone is refused, because it names two.
        """
        authority = _AUTHORITY.match(text)
        start = authority.end() if authority else 0
        name, at, reference = text[start:].partition("@")
        table = text[:start] + name
        if not table or (at and not reference):
            raise Misconfigured(
                f"version {text!r:.200}: table, table@snapshot, table@tag or table@moment was wanted, such as "
                "nyc.flights@2026-01-31T06:00:00+00:00"
            )
        if not reference:
            return cls(table)
        if _SNAPSHOT.fullmatch(reference):
            return cls(table, snapshot=reference)
        if not reference[0].isdecimal():
            return cls(table, tag=tag_name(reference))
        try:
            moment = dt.datetime.fromisoformat(reference)
        except ValueError as error:
            raise Misconfigured(f"version {text!r:.200}: no snapshot, no tag and no moment: {error}") from error
        if moment.tzinfo is None:
            raise Misconfigured(
                f"version {text!r:.200}: a moment with a time zone was wanted, such as {reference}+00:00"
            )
        return cls(table, moment=moment)


def tag_name(text: str) -> str:
    """Give ``text`` where it may be a tag: a letter, then at most 79 letters, digits, dots, dashes and underscores.

    :raises Misconfigured: when it may not.
    """
    if not _TAG.fullmatch(text) or text.startswith(_TAKEN):
        raise Misconfigured(
            f"tag {text!r:.200}: a letter followed by at most 79 letters, digits, dots, dashes or underscores was "
            f"wanted, which does not begin as branches do ({', '.join(_TAKEN)})"
        )
    return text
