"""Tasks killed at random moments, and run again, cleared, released, rolled back: each row stays in one place.

Each task is a process of its own that ends by SIGKILL at one of the calls that it makes to a dataset's store, however
deep inside. ``XOPS_KILLS`` is the number of kills of each kind of dataset; ``make chaos`` sets more. The seed is
printed; ``XOPS_SEED`` repeats it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from tests.cases.shop import POSITIVE, Lake, Shop
from xops.core.errors import Misconfigured
from xops.hooks import settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("XOPS_KILLS", "8"))
SEED = int(os.environ.get("XOPS_SEED", time.time_ns() % 2**32))
PRELOADED = [
    "duckdb", "pyarrow.parquet", "pyiceberg.catalog.sql", "pyiceberg.io.pyarrow", "sqlalchemy.dialects.postgresql",
    "xops.checks.passing_rows", "xops.hooks.iceberg.tables", "xops.operators.datasets", "xops.operators.quarantine",
    __name__,
]  # fmt: skip
WATCHED = ("xops/hooks/datasets", "xops/hooks/iceberg", "xops/hooks/store", "pyiceberg/", "sqlalchemy/engine")
LENIENT = {**POSITIVE, "kwargs": {"column": "amount", "min_value": -5}}
PATIENCE = 120


def perform(folder, table, task, given):
    """Do one task of the shop; give what it pushes, None when it failed as it should."""
    shop = Shop(Path(folder), table)
    with contextlib.suppress(AirflowFailException, AirflowSkipException):
        if task == "roll back":
            to = Lake(table).versions()[-given["back"] :][0]
            with contextlib.suppress(Misconfigured):
                Lake(table).store.roll_back(to)
            return None
        return getattr(shop, task)(*given.pop("given", ()), **given)
    return None


def perform_and_die(home, environment, folder, table, task, given, fatal, calls):
    """Do a task in a process of its own, which is killed at call ``fatal``, as ``calls`` counts them."""
    os.environ.update(environment)
    settings.home = lambda: Path(home)

    def count(frame, event, _):
        if event in ("call", "return") and any(part in frame.f_code.co_filename for part in WATCHED):
            calls.value += 1
            if calls.value == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    answer = perform(folder, table, task, given)
    sys.setprofile(None)
    Path(folder, "answer.json").write_text(json.dumps(answer))


class Story:
    """Deliveries, kills, clears, releases and rollbacks as the dice fall; after each every row is looked for."""

    def __init__(self, folder, lake, dice):
        self.folder, self.lake, self.dice, self.shop = folder, lake, dice, Shop(folder, lake.table)
        self.context = multiprocessing.get_context("forkserver")
        self.publications, self.came, self.batch_of, self.allowed, self.shown = [], set(), {}, set(), set()
        self.killed, self.calls = 0, {}

    def play(self, kills):
        acts = [self.deliver] * 4 + [self.clear] * 2 + [self.release] * 2 + [self.roll_back]
        while self.killed < kills:
            self.dice.choice(acts)()
            self.look()

    def do(self, task, **given):
        """Do a task, which may be killed somewhere and is then done again."""
        if self.dice.random() < 0.7:
            fatal, calls = self.dice.randint(1, self.calls.get(task, 400)), self.context.Value("i", 0)
            environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
            where = (str(settings.home()), environment, str(self.folder), self.lake.table)
            process = self.context.Process(target=perform_and_die, args=(*where, task, dict(given), fatal, calls))
            process.start()
            process.join(PATIENCE)
            assert process.exitcode in (0, -signal.SIGKILL), f"seed {SEED}: {task} failed by itself"
            if process.exitcode == 0:
                self.calls[task] = calls.value
                return json.loads((self.folder / "answer.json").read_text())
            self.killed += 1
        return perform(str(self.folder), self.lake.table, task, dict(given))

    def deliver(self):
        batch, first = f"0{self.dice.randint(1, 3)}", 100 * len(self.publications)
        amounts = [self.dice.choice([1.0, 2.0, 3.0, -1.0, -20.0]) for _ in range(self.dice.randint(1, 4))]
        ids = list(range(first, first + len(amounts)))
        staged = self.do("stage", given=amounts, ids=ids, batch=batch)
        tested = self.shop.test(staged, POSITIVE)
        how = {"on_fail": self.dice.choice(["quarantine_rows", "quarantine_batch"]), "run_id": f"run {first}"}
        self.publications.append({"given": (staged, tested), **how})
        self.do("publish", **self.publications[-1])
        self.came |= set(ids)
        self.batch_of |= dict.fromkeys(ids, (batch, first))

    def clear(self):
        if self.publications:
            self.do("publish", **self.dice.choice(self.publications))

    def release(self):
        if self.publications:
            suite = self.dice.choice([POSITIVE, LENIENT])
            # of two deliveries of a batch that one task releases, the earlier is shown for a moment
            waiting = [row for version in self.lake.quarantined() for row in self.lake.rows(version).to_pylist()]
            self.shown |= {row["id"] for row in waiting if row["amount"] >= suite["kwargs"]["min_value"]}
            self.do("release", given=[suite], run_id=f"release {self.dice.random()}")
            self.allowed |= {-1.0} if suite is LENIENT else set()

    def roll_back(self):
        if self.lake.published():
            self.do("roll back", back=self.dice.randint(1, min(3, len(self.lake.versions()))))

    def look(self):
        """See that what came is published or in quarantine, once, and that no row that failed is published."""
        published = self.lake.published()
        main = self.lake.rows(published).to_pylist() if published else []
        aside = self.lake.quarantined() if self.publications else []
        kept = [row["id"] for version in aside for row in self.lake.rows(version).to_pylist()]
        shown = [row["id"] for row in main]
        assert {row["amount"] for row in main} <= {1.0, 2.0, 3.0} | self.allowed, f"seed {SEED}"
        assert len(set(shown + kept)) == len(shown + kept), f"seed {SEED}: a row is twice"
        newest = {}
        for identity in shown:
            batch, delivery = self.batch_of[identity]
            assert newest.setdefault(batch, delivery) == delivery, f"seed {SEED}: two deliveries of a batch are shown"
        self.shown |= set(shown)
        lost = self.came - set(shown) - set(kept)
        assert lost <= self.shown, f"seed {SEED}: rows are nowhere"
        for identity in lost:  # a later delivery of its batch, not an earlier one, took its place
            batch, delivery = self.batch_of[identity]
            later = {self.batch_of[other] for other in self.shown if self.batch_of[other][0] == batch}
            assert max(later)[1] > delivery, f"seed {SEED}: an earlier delivery took the place of a later one"


@pytest.fixture(params=["Iceberg", "folder", "S3", "SQL"])
def lake(request, tmp_path):
    if request.param == "SQL":
        request.getfixturevalue("postgres")
    if request.param == "S3":
        request.getfixturevalue("s3_at")(request.getfixturevalue("moto"))
    s3 = f"s3://xops_s3@evidence/{tmp_path.name}"
    tables = {"Iceberg": "shop.orders", "folder": f"{tmp_path}/orders", "S3": s3}
    return Lake(tables.get(request.param, "sql://postgres_default/shop.orders"))


def test_whatever_call_a_task_dies_at_every_row_is_published_or_in_quarantine_once(lake, tmp_path):
    sys.stdout.write(f"seed {SEED}, {KILLS} kills\n")
    forkserver._forkserver._stop()  # one that another test started has loaded other libraries
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    Story(tmp_path, lake, random.Random(SEED)).play(KILLS)
