"""Five hundred promotions of one model by four processes that are killed at random: one winner of every entry.

``XOPS_SEED`` repeats a run; the seed is printed.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import pytest
import sqlalchemy

from xops.core.errors import Refused
from xops.core.gate import Rule
from xops.core.verdict import Finding, Outcome, Verdict
from xops.hooks import settings
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.promotions import Asker, Promotions
from xops.hooks.models.registry import MlflowHook, Training
from xops.hooks.models.versions import MANIFEST
from xops.hooks.store.objects import Objects

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SEED = int(os.environ.get("XOPS_SEED", time.time_ns() % 2**32))
KILLED = 0.4  # of the promotions when they are begun; some end before the moment comes
MOMENTS = 24  # calls of a promotion to the store and to MLflow, each with a moment before and one after
PROMOTERS = 4
VERSIONS = ("1", "2", "3", "4")


def promoter(home, connection, model, manifests, number, entries):
    """Promote until the log has so many entries, again and again in a child that is killed; give the kills.

    The children are forked after MLflow has been used once, so that they lose no time; each then forgets the
    connections to its database, and opens its own.
    """
    settings.home = lambda: Path(home)
    if connection:
        os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"] = connection
    Promotions(model).reconcile()
    opened = [found for found in gc.get_objects() if isinstance(found, sqlalchemy.Engine)]
    for kills in itertools.count():
        child = os.fork()
        if not child:
            for engine in opened:
                engine.dispose(close=False)
            os._exit(promote_until_killed(Path(home), model, manifests, number, entries))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != -signal.SIGKILL:
            return kills if status == 0 else f"promoter {number} ended with {status}"
    return None


def promote_until_killed(home, model, manifests, number, entries):
    """Promote one version after the other until the log has so many entries; write down what was begun and won."""
    promotions, calls = Promotions(model), _count_calls()
    begun, won = home / f"begun by {number}", home / f"won by {number}"
    try:
        while len(log := promotions.log.read()) < entries:
            task, attempt = map(int, begun.read_text().split()) if begun.exists() else (0, 0)
            key, chance = f"{number}-{task}", random.Random(f"{SEED}-{number}-{task}-{attempt}")
            begun.write_text(f"{task} {attempt + 1}")
            calls[:] = [0, chance.randint(1, MOMENTS) if attempt == 0 and chance.random() < KILLED else 0]
            mine = next((entry for entry in log if entry.key == key), None)
            champion = mine.previous if mine else log[-1].version if log else None
            version = mine.version if mine else chance.choice([one for one in VERSIONS if one != champion])
            finding = Finding("auc", version, Outcome.PASS, 0.8, 0.7)
            facts = {"champion": champion, "manifest": manifests[version]}
            judged = [("evidence", Verdict("evaluation", f"models:/{model}/{version}", (finding,), facts))]
            # refused is who was slower than another; the next promotion compares with the winner
            with contextlib.suppress(Refused):
                entry = promotions.promote(version, judged, Asker(key, attempt + 1, key), reason="", rule=Rule())
                with won.open("a") as lines:
                    lines.write(f"{entry.number} {key}\n")
            calls[:] = [0, 0]
            begun.write_text(f"{task + 1} 0")
    except Exception:  # noqa: BLE001 - the child of a fork must not come back into the test
        traceback.print_exc()
        return 1
    return 0


def _count_calls():
    """Let this process die at the moment that the second number says; the first counts them."""
    calls = [0, 0]

    def mortal(function):
        def call(*given, **named):
            for moment in ("before", "after"):
                calls[0] += 1
                if calls[0] == calls[1]:
                    os.kill(os.getpid(), signal.SIGKILL)
                if moment == "before":
                    answer = function(*given, **named)
            return answer

        return call

    for name in ("put", "create", "paths"):
        setattr(Objects, name, mortal(getattr(Objects, name)))
    for name in ("manifest", "aliases", "versions", "set_alias"):
        setattr(MlflowHook, name, mortal(getattr(MlflowHook, name)))
    return calls


@pytest.fixture
def candidates(tmp_path):
    """Give a function that registers four versions of a model where the connection says, with their manifests."""
    (folder := tmp_path / "model").mkdir()

    def register(model):
        hook = MlflowHook()
        for number in VERSIONS:
            (folder / "MLmodel").write_text(f"flavors: {{}}\nnumber: {number}\n")
            assert hook.add_version(Training(model, f"key {number}", {}, {}, {}, {}), folder) == number
        return {number: hook.version(model, number).tags[MANIFEST] for number in VERSIONS}

    return register


@pytest.fixture
def race(in_processes, tmp_path):
    """Give a function that lets promoters race for so many entries; gives the kills, and who won which entry."""
    home = tmp_path / "xops"

    def run(connection, model, manifests, entries):
        home.mkdir(exist_ok=True)
        given = [(str(home), connection, model, manifests, number, entries) for number in range(PROMOTERS)]
        kills = in_processes(promoter, given, within=500)
        assert all(isinstance(count, int) for count in kills), f"seed {SEED}: {kills}"
        lines = [line.split() for path in home.glob("won by *") for line in path.read_text().splitlines()]
        return sum(kills), [(int(number), key) for number, key in lines]

    return run


def see_one_story(model, entries, winners):
    """See that the log is whole, that nobody won what another has, and that the alias comes to say the same."""
    log = PromotionLog(model).read()  # contiguous, or it raises
    assert len(log) >= entries
    keys = [entry.key for entry in log]
    assert len(set(keys)) == len(keys), f"seed {SEED}"
    assert all(keys[number - 1] == key for number, key in winners), f"seed {SEED}"
    assert [entry.previous for entry in log] == [None, *(entry.version for entry in log[:-1])], f"seed {SEED}"
    promotions = Promotions(model)
    promotions.reconcile()
    assert promotions.hook.aliases(model)["champion"] == log[-1].version, f"seed {SEED}"
    assert promotions.reconcile().outcome is Outcome.PASS
    return log


def test_of_five_hundred_promotions_each_entry_has_one_winner(candidates, race):
    sys.stdout.write(f"seed {SEED}\n")
    kills, winners = race("", "flights_delay", candidates("flights_delay"), 500)
    log = see_one_story("flights_delay", 500, winners)
    sys.stdout.write(f"{len(log)} entries, {kills} kills, {len(winners)} winners that lived to tell\n")
    assert kills >= 200


def test_the_same_on_a_server_with_postgresql(mlflow_server_on_postgres, mlflow_at, candidates, race):
    mlflow_at(mlflow_server_on_postgres.proxy.url)
    manifests = candidates("flights_delay")
    kills, winners = race(os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"], "flights_delay", manifests, 40)
    see_one_story("flights_delay", 40, winners)
    assert kills
