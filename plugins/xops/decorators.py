"""A training function with its operator: a plain function in a notebook, a task in a DAG."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def train_model(**arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function ``(frame, params)`` be a task of a DAG when it is called without arguments.

    Called with a frame it trains, and needs no Airflow. Called without, inside a DAG, it makes a
    :class:`~xops.operators.training.TrainModelOperator` and gives its output.

    :param arguments: those of TrainModelOperator but ``train``; the function's name is the ``task_id`` by default.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*given: Any, **named: Any) -> Any:
            if given or named:
                return function(*given, **named)
            from xops.operators.training import TrainModelOperator

            return TrainModelOperator(**{"task_id": function.__name__, **arguments}, train=function).output

        return called

    return decorate
