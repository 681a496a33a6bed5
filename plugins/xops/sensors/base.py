"""What every sensor shares: it asks in its own process, or defers to the triggerer."""

from __future__ import annotations

import functools
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.questions import question
from xops.triggers.answers import AnswerTrigger
from xops.triggers.asking import answer_to

if TYPE_CHECKING:
    from airflow.sdk import Context

DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)


class XopsSensor(BaseSensorOperator):
    """A sensor that waits for the answer to a question, which then is its XCom.

    A service that is down is waited for like an answer, until the sensor's ``timeout``; one asking takes 10 s at most.

    :param deferrable: wait in the triggerer, where it takes no worker's place; Airflow's setting by default.
    :raises AirflowFailException: when what is asked for cannot be as it stands: no retry would mend it.
    """

    question: str

    def __init__(self, *, deferrable: bool = DEFERRABLE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Give the question's arguments, plain JSON."""

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Ask once."""
        try:
            ask = functools.partial(question(self.question), **self.arguments())
            found = answer_to(ask, f"{type(self).__name__} {self.task_id}")
        except Misconfigured as error:
            raise AirflowFailException(f"{type(self).__name__} {self.task_id}: {error}") from error
        except Unavailable as error:
            self.log.warning("not answered, to be asked again: %s", error)
            found = None
        return PokeReturnValue(is_done=found is not None, xcom_value=found)

    def execute(self, context: Context) -> Any:
        """Wait here, or look once and then wait in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        first = self.poke(context)
        if first:
            return first.xcom_value
        return self.defer(
            trigger=AnswerTrigger(name=self.question, arguments=self.arguments(), poll_interval=self.poke_interval),
            method_name="resume",
            timeout=timedelta(seconds=self.timeout),
        )

    def resume(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ARG002 - Airflow's signature
        """Take up the trigger's answer."""
        if "misconfigured" in event:
            raise AirflowFailException(f"{type(self).__name__} {self.task_id}: {event['misconfigured']}")
        return event["found"]
