"""What an engine does: everything that is asked of a dataset version, answered by one scan of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from xops.core.profile.profiles import Profile
    from xops.core.profile.spec import ProfileSpec
    from xops.core.suite.plan import Counted


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found.

    :param values: by the name it was asked under, the value of each aggregate.
    :param profile: the profile, if one was asked for.
    """

    values: Mapping[str, Any]
    profile: Profile | None


class Engine(Protocol):
    """Where rows are scanned."""

    def types(self) -> Mapping[str, str]:
        """Give the columns with their SQL types, without reading a row."""

    def spec(self, columns: Sequence[str] | None = None, *, distinct: bool = True) -> ProfileSpec:
        """Decide the bins for these rows as a reference; columns that the rows lack are left out."""

    def scan(
        self,
        aggregates: Mapping[str, str] | None = None,
        profile: ProfileSpec | None = None,
        *,
        projections: Sequence[str] = (),
        counted: Mapping[str, Counted] | None = None,
    ) -> Scanned:
        """Read the rows once, for all that is asked."""
