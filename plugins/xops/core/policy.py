"""When to retrain: decided from the recent evidence, never triggered by a single alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome


class Choice(StrEnum):
    """What is decided."""

    RETRAIN = "retrain"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of one batch.

    :param batch: its name; names sort in the order of time.
    :param outcomes: outcome by kind of check; a kind that is absent was not judged.
    :param reasons: by kind of check, what its verdict said.
    :param data_test: outcome of the batch's data tests; None when it has none on record.
    """

    batch: str
    outcomes: Mapping[str, Outcome]
    reasons: Mapping[str, str] = field(default_factory=dict)
    data_test: Outcome | None = None

    @property
    def broken(self) -> bool:
        """Whether its data tests did not pass: broken data says nothing about the model."""
        return self.data_test is not None and not self.data_test.passes

    @property
    def stale(self) -> bool:
        """Whether sound data spoke against the model here. What was not measured does not speak."""
        return not self.broken and Outcome.FAIL in self.outcomes.values()


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a model after a batch, with every reason that led to it."""

    choice: Choice
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainPolicy:
    """Ask for retraining when ``k`` of the last ``n`` windows speak against the model.

    A window that led to a request has done its work: only those after the last request are looked at.

    :param k: how many windows must be stale, 1 <= k <= n.
    :param n: how many of the newest windows with sound data are looked at.
    :param cooldown: how many windows with sound data must pass after a request before the next; 0 for none.
    :param min_new_rows: labelled rows that must have come since the newest training; 0 for no such rule.
    :param budget: requests allowed among the last ``budget_windows`` batches; None for no bound.
    :param budget_windows: the period of ``budget``, in batches.
    """

    k: int = 2
    n: int = 3
    cooldown: int = 1
    min_new_rows: int = 0
    budget: int | None = None
    budget_windows: int = 12

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise Misconfigured(f"retrain policy: 1 <= k <= n was wanted, found k={self.k}, n={self.n}")
        if self.cooldown < 0 or self.min_new_rows < 0 or self.budget_windows < 1:
            raise Misconfigured("retrain policy: cooldown and min_new_rows are at least 0, budget_windows at least 1")
        if self.budget is not None and self.budget < 0:
            raise Misconfigured(f"retrain policy: a budget of at least 0 was wanted, found {self.budget}")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | RetrainPolicy | None) -> RetrainPolicy:
        """Read a policy from a DAG file's dict; None gives the default.

        :raises Misconfigured: for a name that is none of the policy's.
        """
        if isinstance(settings, RetrainPolicy):
            return settings
        try:
            return cls(**(settings or {}))
        except TypeError as error:
            raise Misconfigured(f"retrain policy: {error}") from error

    def decide(
        self,
        windows: Sequence[Window],
        *,
        requested: Sequence[str] = (),
        batches: Sequence[str] = (),
        open_request: str | None = None,
        new_rows: int | None = None,
    ) -> Decision:
        """Decide after the newest window.

        :param windows: from oldest to newest; the last one is the batch decided on.
        :param requested: batches after which retraining was ever asked for, whichever model was champion then.
        :param batches: every batch there was, for the period of the budget; those of ``windows`` count anyway.
        :param open_request: the batch of a request that no training has answered yet, if any.
        :param new_rows: labelled rows since the newest training; None when not counted.
        """
        if not windows:
            return Decision(Choice.WAIT, ("no batch has been judged yet",))
        newest = windows[-1]
        if newest.broken:
            said = newest.reasons.get("data_test", "its data tests did not pass")
            return Decision(Choice.WAIT, (f"{newest.batch} is broken data, not drift: {said}",))
        earlier = sorted(batch for batch in requested if batch < newest.batch)
        fresh = [window for window in windows if not window.broken and (not earlier or window.batch > earlier[-1])]
        sound = fresh[-self.n :]
        stale = [window for window in sound if window.stale]
        reasons = tuple(
            f"{window.batch}: {window.reasons.get(check, f'{check} failed')}"
            for window in stale
            for check, outcome in window.outcomes.items()
            if outcome is Outcome.FAIL
        )
        since = f" since retraining was asked for after {earlier[-1]}" if earlier else ""
        count = f"{len(stale)} of the last {len(sound)} batches{since} speak against the model, {self.k} are needed"
        if len(stale) < self.k:
            return Decision(Choice.WAIT, (count, *reasons))
        held: list[str] = []
        if open_request is not None:
            held.append(f"the request made after {open_request} is still open")
        if earlier and len(fresh) <= self.cooldown:
            held.append(f"cooling down: {self.cooldown} batches must pass after {earlier[-1]}, {len(fresh) - 1} have")
        period = sorted({*batches, *earlier, *(window.batch for window in windows)})[-self.budget_windows :]
        spent = [batch for batch in earlier if batch >= period[0]]
        if self.budget is not None and len(spent) >= self.budget:
            held.append(f"the budget of {self.budget} requests in {self.budget_windows} batches is spent")
        if self.min_new_rows and (new_rows is None or new_rows < self.min_new_rows):
            held.append(f"{new_rows} new labelled rows, {self.min_new_rows} are needed")
        return Decision(Choice.WAIT if held else Choice.RETRAIN, (*held, count, *reasons))
