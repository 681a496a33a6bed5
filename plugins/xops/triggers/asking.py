"""A blocking question asked again and again, each time for a few seconds at most, through outages."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from xops.core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
LONGEST = 10.0  # seconds that an answer is waited for
_SLOWEST = 300.0  # seconds between two tries during an outage, at most


def asked(question: Callable[[], T]) -> Future[T]:
    """Ask in a thread of its own, which does not keep the process alive when nobody waits for the answer any more."""
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def ask() -> None:
        try:
            answer.set_result(context.run(question))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is read
            answer.set_exception(error)

    threading.Thread(target=ask, name="xops-asking", daemon=True).start()
    return answer


def answer_to(question: Callable[[], T], name: str) -> T:
    """Ask once and wait for the answer.

    :raises Unavailable: when there is none after :data:`LONGEST` seconds.
    """
    try:
        return asked(question).result(LONGEST)
    except TimeoutError as error:
        raise Unavailable(f"{name}: no answer for {LONGEST:g} s") from error


class Asking(Generic[T]):
    """A question that is asked until it is answered; an outage is waited out ever longer, and said in the log.

    :param question: it may block for any length of time; it is never asked while an earlier asking is not answered.
    :param name: what it is about, for the log.
    :param every: seconds from an outage to the next try, doubled with each try that fails.
    """

    def __init__(self, question: Callable[[], T], *, name: str, every: float) -> None:
        self.question = question
        self.name = name
        self.every = every
        self._open: Future[T] | None = None

    async def answer(self) -> T:
        """Give the next answer, however long the outage before it.

        :raises Exception: what the question raises, but for :class:`~xops.core.errors.Unavailable`.
        """
        failed = 0
        while True:
            try:
                found = await self._once()
            except Unavailable as error:
                wait = min(self.every * 2**failed, max(_SLOWEST, self.every))
                failed += 1
                _LOG.warning("%s: try %s failed, the next is in %g s: %s", self.name, failed, wait, error)
                await asyncio.sleep(wait)
                continue
            if failed:
                _LOG.info("%s: answered again after %s failed tries", self.name, failed)
            return found

    async def _once(self) -> T:
        self._open = self._open or asked(self.question)
        waiting = asyncio.wrap_future(self._open)
        done, _ = await asyncio.wait({waiting}, timeout=LONGEST)
        if not done:
            raise Unavailable(f"{self.name}: no answer for {LONGEST:g} s")
        self._open = None
        return waiting.result()
