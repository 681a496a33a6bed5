"""The trigger of every deferrable sensor: it ends with the answer to a question."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from xops.core.errors import Misconfigured
from xops.hooks.questions import question
from xops.triggers.asking import Asking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class AnswerTrigger(BaseTrigger):
    """Ask a question until it is answered. It keeps nothing, so a restart of the triggerer only asks again.

    :param name: of :data:`~xops.hooks.questions.QUESTIONS`.
    :param arguments: the question's, plain JSON.
    :param poll_interval: seconds between two askings.
    """

    def __init__(self, *, name: str, arguments: dict[str, Any], poll_interval: float) -> None:
        super().__init__()
        self.name = name
        self.arguments = arguments
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class and its arguments."""
        given = {"name": self.name, "arguments": self.arguments, "poll_interval": self.poll_interval}
        return f"{type(self).__module__}.{type(self).__qualname__}", given

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """End with ``{"found": ...}``, or with ``{"misconfigured": message}`` where asking again would not help."""
        try:
            ask = functools.partial(question(self.name), **self.arguments)
            asking = Asking(ask, name=f"waiting for {self.name} {self.arguments}", every=self.poll_interval)
            found = await asking.answer()
            while found is None:
                await asyncio.sleep(self.poll_interval)
                found = await asking.answer()
        except Misconfigured as error:
            yield TriggerEvent({"misconfigured": str(error)})
            return
        yield TriggerEvent({"found": found})
