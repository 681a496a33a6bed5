"""Optuna's study of a sweep: where the parameters of a trial come from, and when one is not worth going on with."""

from __future__ import annotations

import contextlib
import hashlib
import time
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.core.model.search_space import whole
from xops.core.model.sweep import State
from xops.hooks import settings
from xops.hooks.sql.databases import answering, driver_of
from xops.hooks.store.once import first_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import optuna

    from xops.core.model.sweep import Sweep

_NUMBER = "xops.trial"  # which trial of the sweep one of Optuna's is
_WAIT = 60  # seconds for the lock of an SQLite file
_TRIES, _PAUSE = 5, 0.5  # at opening a database whose tables another task makes; seconds between two


class Study:
    """The study of one sweep in Optuna's storage, shared by the tasks that run its trials.

    A trial enters the storage whole, with all its parameters, so one whose task was killed is there to be gone on with
    or was never there. What the sampler draws for a trial depends on the sweep's seed, the trial's number and the
    trials before it: trials that run one after another are the same each time.

    :param sweep: the sweep.
    :param conn_id: Airflow connection of the storage: an SQL database that Optuna can use, such as PostgreSQL, or
        ``sqlite`` with the path of a file as its host. None for a file of our own, on one machine only.
    :raises Misconfigured: when Optuna is not installed, or the connection is of no use.
    """

    def __init__(self, sweep: Sweep, conn_id: str | None = None) -> None:
        self.sweep = sweep
        self.conn_id = conn_id
        self.what = f"Optuna's storage ({conn_id or 'our own file'})"

    def params(self, number: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give the parameters of a trial: those that it has, or else new ones.

        :param given: the parameters that it had when it failed, to try them again.
        """
        with self._answering() as optuna:
            there = self._find(number)
            if there is None:
                drawn = self._drawn(number) if given is None else {name: given[name] for name in self.sweep.space}
                self._study.add_trial(
                    optuna.trial.create_trial(
                        state=optuna.trial.TrialState.RUNNING,
                        params=drawn,
                        distributions=self._distributions,
                        user_attrs={_NUMBER: number},
                    )
                )
                there = self._find(number)
        return dict(there.params)  # type: ignore[union-attr]

    def give_up(self, number: int, scores: tuple[float, ...]) -> bool:
        """Report the scores so far, and tell whether Optuna would not go on."""
        with self._answering() as optuna:
            there = self._find(number)
            if there is None or there.state is not optuna.trial.TrialState.RUNNING:
                return False
            trial = optuna.trial.Trial(self._study, there._trial_id)  # noqa: SLF001 - ask() would take another
            with self._unless_ended():
                for step in range(len(there.intermediate_values), len(scores)):
                    trial.report(sum(scores[: step + 1]) / (step + 1), step)
                return trial.should_prune()
        return False

    def tell(self, number: int, state: State, score: float | None = None) -> None:
        """Say how a trial ended; said twice it does no harm."""
        with self._answering() as optuna:
            states = {State.PRUNED: optuna.trial.TrialState.PRUNED, State.FAILED: optuna.trial.TrialState.FAIL}
            there = self._find(number)
            if there is not None:
                with self._unless_ended():
                    self._study.tell(
                        there.number, None if state in states else score, state=states.get(state), skip_if_finished=True
                    )

    def close(self) -> None:
        """Let the trials that nobody ended fail: those of killed tasks."""
        with self._answering() as optuna:
            for trial in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
                with self._unless_ended():
                    self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)

    @staticmethod
    def _unless_ended() -> AbstractContextManager[None]:
        """Leave a trial as it is that another task ended meanwhile: an orphan beside its retry."""
        from optuna.exceptions import UpdateFinishedTrialError

        return contextlib.suppress(UpdateFinishedTrialError)

    @cached_property
    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        return {
            name: CategoricalDistribution(said)
            if isinstance(said, list | tuple)
            else (IntDistribution if whole(said) else FloatDistribution)(**said)
            for name, said in sorted(self.sweep.space.items())
        }

    def _find(self, number: int) -> optuna.trial.FrozenTrial | None:
        """Give Optuna's trial of a number that did not fail: of several, which an orphan may leave, the oldest."""
        import optuna

        failed = optuna.trial.TrialState.FAIL
        found = [one for one in self._study.get_trials(deepcopy=False) if one.user_attrs.get(_NUMBER) == number]
        return next((one for one in found if one.state is not failed), None)

    def _drawn(self, number: int) -> dict[str, Any]:
        """Draw the parameters of a trial, in memory: of what is drawn half the storage never hears."""
        import optuna

        seed = int.from_bytes(hashlib.sha256(f"{self.sweep.seed} {number}".encode()).digest()[:4])
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        copy = optuna.create_study(direction=self._direction, sampler=sampler)
        copy.add_trials(self._study.get_trials(deepcopy=False))
        return dict(copy.ask(self._distributions).params)

    @property
    def _direction(self) -> str:
        return "maximize" if self.sweep.rule.maximize else "minimize"

    @cached_property
    def _study(self) -> optuna.Study:
        import optuna

        return optuna.create_study(
            storage=_storage(self.conn_id),
            study_name=f"{self.sweep.model} {self.sweep.key}",
            direction=self._direction,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5) if self.sweep.prune else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )

    @contextlib.contextmanager
    def _answering(self) -> Iterator[Any]:
        """Give Optuna, kept quiet, and tell a mistake from a storage that is out of reach."""
        try:
            import optuna
        except ImportError as error:
            raise Misconfigured(f"sweep of {self.sweep.model}: install the extra xops[sweeps], for Optuna") from error
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with warnings.catch_warnings(), answering(self.what):
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                yield optuna
        except optuna.exceptions.StorageInternalError as error:
            raise Unavailable(f"{self.what} did not answer: {bounded(error.__cause__ or error)}") from error
        except optuna.exceptions.OptunaError as error:
            raise Misconfigured(f"{self.what}: {bounded(error)}") from error
        finally:
            optuna.logging.set_verbosity(before)


def _storage(conn_id: str | None) -> Any:
    """Open a storage, and make its tables where there are none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from optuna.storages import RDBStorage

    if conn_id is not None:
        try:
            connection = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException as error:
            raise Misconfigured(f"Airflow connection {conn_id} does not exist; make one to a database") from error
        if connection.conn_type != "sqlite":
            driver, connect = driver_of(conn_id)
            return _made_by_one(
                lambda: RDBStorage(f"{driver}://", engine_kwargs={"pool_pre_ping": True, "creator": connect})
            )
        path = connection.host
    elif settings.one_machine():
        path = str(settings.home() / "studies.db")
    else:
        raise Misconfigured(
            "a file of our own for Optuna's trials serves one machine only; make an Airflow connection to a database, "
            "such as PostgreSQL, and name it as study_conn_id"
        )
    return _sqlite(path)


def _made_by_one(opening: Callable[[], Any]) -> Any:
    """Open a database; of tasks that make its tables at the same moment one can, and the others find them made."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(_TRIES):
        with contextlib.suppress(IntegrityError, ProgrammingError):
            return opening()
        time.sleep(_PAUSE)
    return opening()


def _sqlite(path: str) -> Any:
    """Open an SQLite file; its tables are made once, or processes that begin at once would break it."""
    from pathlib import Path

    from optuna.storages import RDBStorage

    with first_time(Path(path).with_suffix(".ready")):
        return RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": _WAIT}})
