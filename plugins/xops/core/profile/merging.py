"""Profiles of several batches made one, also where a column changed its type between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xops.core.errors import bounded
from xops.core.profile.profiles import ColumnProfile, Profile
from xops.core.profile.spec import ColumnSpec, ProfileSpec

_OUTGROWN = 0.05  # share of a column's values outside its bins from which on these are too coarse


def merged(profiles: Sequence[Profile], spec: ProfileSpec) -> Profile:
    """Add up what was counted by one spec of several batches.

    A column that some of them lack, or that was of another type in some, is kept without counts: its type then tells
    of all the types it had, and no distance is measured of it.

    :param profiles: maybe none: then the profile has no row and no column.
    """
    if not profiles:
        return Profile((), replace(spec, columns=()), 0, ())
    asked = [column.name for column in spec.columns]
    found = {name: [profile.column(name) for profile in profiles] for name in asked}
    rows = sum(profile.rows for profile in profiles)
    columns = tuple(column for name in asked if any(found[name]) for column in [_together(name, found[name], rows)])
    versions = tuple(sorted(version for profile in profiles for version in profile.versions))
    return Profile(versions, replace(spec, columns=tuple(column.spec for column in columns)), rows, columns)


def _together(name: str, parts: Sequence[ColumnProfile | None], rows: int) -> ColumnProfile:
    there = [part for part in parts if part is not None]
    if len(there) == len(parts) and all(part.spec == there[0].spec for part in there):
        return ColumnProfile.sum(there)
    types = dict.fromkeys("missing" if part is None else part.spec.type for part in parts)
    nulls = rows - sum(part.rows - part.nulls for part in there)
    return ColumnProfile(ColumnSpec(name, bounded(", then ".join(types), 200)), rows, nulls)


def outgrown(profile: Profile) -> bool:
    """Tell whether the values of a column have left its bins, so that these should be laid anew."""
    return any(
        column.spec.kind.on_a_line
        and column.values > 0
        and (not len(column.counts) or column.counts[0] + column.counts[-1] > _OUTGROWN * column.values)
        for column in profile.columns
    )


def figures(profile: Profile, *, raw_values: bool = False) -> dict[str, dict[str, object]]:
    """Give by column what a profile tells in single figures, as plain values; no raw value unless allowed.

    :param raw_values: whether the least and greatest value may be told: they are somebody's data.
    """
    told: dict[str, dict[str, object]] = {}
    for column in profile.columns:
        counts = {"nulls": column.nulls, "nan": column.nan, "infinite": column.above_all + column.below_all}
        told[column.spec.name] = {"type": column.spec.type, **counts, "distinct": column.distinct}
        if column.spec.kind.on_a_line and column.values:
            told[column.spec.name] |= {"mean": column.mean, "deviation": column.deviation}
            if raw_values:
                told[column.spec.name] |= {"low": column.low, "high": column.high}
    return told
