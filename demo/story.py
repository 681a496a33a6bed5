"""The story, batch by batch: each step starts what a person or the world would start, and reports what came of it."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
from typing import TYPE_CHECKING

from demo.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.airflow_api import Airflow
    from demo.readback import Readback

DAGS = [f"flights_{name}" for name in ("dataops", "labels", "training", "scoring", "monitoring", "rollback")]
MONTHS = [f"2013-{month:02}" for month in range(1, 9)]
BROKEN = "2013-05"


class Story:
    """The steps of the demo.

    :param airflow: where the DAGs run.
    :param landing: the folder where files arrive.
    :param read: what is read back from the stores after each step.
    :param tell: prints a progress line.
    """

    def __init__(self, airflow: Airflow, landing: Path, read: Readback, tell: Callable[[str, str], None]) -> None:
        self.airflow = airflow
        self.landing = landing
        self.read = read
        self.tell = tell

    def play(self) -> None:
        """Play January to August."""
        for dag_id in ("flights_dataops", "flights_labels", "flights_rollback"):
            self.airflow.unpause(dag_id)
        self.first_quarter()
        for dag_id in ("flights_scoring", "flights_monitoring"):
            self.airflow.unpause(dag_id)
        for before, month in itertools.pairwise(MONTHS[2:]):
            self.next_month(before, month)
        self.bad_candidate()
        self.there_and_back()

    def first_quarter(self) -> None:
        """Publish January to March with their labels, and let the calendar train the first model."""
        runs = []
        for month in MONTHS[:3]:
            runs += [self.deliver("flights_dataops", "flights", month), self.deliver("flights_labels", "labels", month)]
        for dag_id, run_id, month in runs:
            self.published(dag_id, run_id, month)
        self.airflow.unpause("flights_training")  # the month's scheduled run is due at once
        self.trained(self.started("flights_training", 0))

    def next_month(self, before: str, month: str) -> None:
        """Deliver the labels of the month before and the flights of this one; everything else follows by itself."""
        if month != MONTHS[3]:
            labels = self.deliver("flights_labels", "labels", before)
        if month == BROKEN:
            self.broken_month(month)
        known = {dag_id: len(self.airflow.runs(dag_id)) for dag_id in DAGS}
        flights = self.deliver("flights_dataops", "flights", month)
        if month != MONTHS[3]:
            self.published(*labels)
        self.published(*flights)
        self.wait("flights_scoring", self.started("flights_scoring", known["flights_scoring"]))
        self.tell(f"{month} scored", self.read.scored(month))
        self.wait("flights_monitoring", self.started("flights_monitoring", known["flights_monitoring"]))
        self.watched(month)
        if self.read.decision()["decision"] == "retrain":
            run_id = self.airflow.wait_for_new("flights_training", known["flights_training"])
            if run_id is None:  # Airflow may strand an event: whoever decides next sends it again
                self.tell("flights_training", "no event started it in time; the monitoring looks again")
                self.wait("flights_monitoring", self.airflow.trigger("flights_monitoring"))
                run_id = self.started("flights_training", known["flights_training"])
            self.trained(run_id)

    def broken_month(self, month: str) -> None:
        """Deliver a file that a broken upstream would send, and see that nobody reads it and nothing is retrained."""
        path = ROOT / "include" / "data" / "break_batch.py"
        spec = importlib.util.spec_from_file_location("break_batch", path)
        breaking = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(breaking)  # type: ignore[union-attr]
        import pyarrow.parquet as pq

        good = pq.read_table(ROOT / "include" / "data" / "flights" / f"{month}.parquet")
        pq.write_table(breaking.broken(good), self.landing / "flights" / f"{month}.parquet")
        run_id = self.airflow.trigger("flights_dataops", batch=month)
        state = self.wait("flights_dataops", run_id, may_fail=True)
        self.tell(f"{month} arrived broken", f"run {state}: {self.read.batch(month)}")
        self.wait("flights_monitoring", self.airflow.trigger("flights_monitoring", batch=month))
        self.watched(month)

    def bad_candidate(self) -> None:
        """Train on shuffled labels by hand, and see the candidate refused."""
        self.trained(self.airflow.trigger("flights_training", shuffle_labels=True))

    def there_and_back(self) -> None:
        """Roll back to the champion before, and forward again."""
        newest = self.read.champion()
        for to, reason in (("previous", "the demo shows a rollback"), (newest, "and forward again")):
            self.wait("flights_rollback", self.airflow.trigger("flights_rollback", to=to, reason=reason))
            self.tell("rollback", self.read.promotion())

    def deliver(self, dag_id: str, kind: str, month: str) -> tuple[str, str, str]:
        """Let a file arrive and start the run that takes it in."""
        file = f"{month}.parquet"
        shutil.copyfile(ROOT / "include" / "data" / kind / file, self.landing / kind / file)
        return dag_id, self.airflow.trigger(dag_id, batch=month), month

    def published(self, dag_id: str, run_id: str, month: str) -> None:
        """Wait for a delivery to be published."""
        self.wait(dag_id, run_id)
        if dag_id == "flights_dataops":
            self.tell(f"{month} arrived", self.read.batch(month))
        else:
            self.tell(f"{month} labels", self.read.batch(month, table="labels"))

    def trained(self, run_id: str) -> None:
        """Wait for a training and tell what became of the candidate."""
        self.wait("flights_training", run_id)
        self.tell("training", self.read.model())

    def watched(self, month: str) -> None:
        """Tell what the monitoring saw and decided."""
        self.tell(f"{month} watched", self.read.watched(month))
        decision = self.read.decision()
        self.tell(f"{month} decision", f"{decision['decision']}: {decision['reasons'][0]}")

    def started(self, dag_id: str, known: int) -> str:
        """Give the run that an asset event or the calendar has started.

        Airflow may strand an asset event; the DAGs re-read the truth, so a run by hand does the same work.
        """
        run_id = self.airflow.wait_for_new(dag_id, known)
        if run_id is None:
            self.tell(dag_id, "no event started it in time; started by hand")
            run_id = self.airflow.trigger(dag_id)
        return run_id

    def wait(self, dag_id: str, run_id: str, *, may_fail: bool = False) -> str:
        """Wait for a run.

        :raises RuntimeError: when it failed and may not, with the log of the task that did.
        """
        state = self.airflow.wait(dag_id, run_id)
        if state != "success" and not may_fail:
            failed = [task for task, found in self.airflow.states(dag_id, run_id).items() if found == "failed"]
            log = self.airflow.log(dag_id, run_id, failed[0]) if failed else "no task failed"
            raise RuntimeError(f"{dag_id} {run_id} ended {state}; {failed}: {log}")
        return state
