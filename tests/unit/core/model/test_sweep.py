import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xops.core.dataset.versions import DataVersion
from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout
from xops.core.model.sweep import Rule, State, Sweep, Trial, best_trial, judge_sweep
from xops.core.model.training import AskedBy, TrainingRecord
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

DATA = DataVersion("nyc.flights", "1")
RECORD = TrainingRecord(DATA, DATA, ("2013-01",), "id", "late", ("a",), Holdout("day"), 9, AskedBy.MANUAL, "f@1")
LOWEST = Rule("log_loss", maximize=False)
SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5)


def complete(number, *scores, **params):
    return Trial(number, params, State.COMPLETE, scores)


def sweep(trials, rule=LOWEST):
    return Sweep("flights", "0123456789ab", RECORD, rule, trials, space={"a": [1, 2]}, fixed={"seed": 1})


def test_the_score_is_the_mean_of_the_folds_and_its_error_the_standard_error():
    trial = complete(0, 1.0, 2.0, 6.0)
    assert trial.score == 3.0
    assert trial.error == pytest.approx(np.sqrt(7.0) / np.sqrt(3))  # the sample variance of 1, 2, 6 is 7
    assert complete(0, 4.0).error is None
    assert Trial(0, {}).score is None


@given(st.lists(SCORES, min_size=1, max_size=6), st.booleans())
def test_no_complete_trial_is_better_than_the_best_nor_as_good_and_earlier(scores, maximize):
    trials = [complete(number, *found) for number, found in enumerate(scores)]
    best = best_trial(trials, Rule("auc", maximize=maximize))
    values = [trial.score for trial in trials]
    assert best.number == values.index(max(values) if maximize else min(values))


def test_what_is_not_complete_is_not_chosen():
    pruned = Trial(0, {}, State.PRUNED, (0.1,))
    failed, running = Trial(1, {}, State.FAILED, (0.1,), "no"), Trial(2, {}, State.RUNNING, (0.1,))
    assert best_trial([pruned, failed, running], LOWEST) is None
    assert best_trial([pruned, failed, running, complete(3, 0.9)], LOWEST).number == 3


def test_the_simplest_within_one_standard_error_is_chosen():
    best = complete(0, 0.9, 1.1, leaves=64, rate=0.1)  # its error is 0.1
    at = complete(1, 1.1, leaves=8, rate=0.1)
    beyond = complete(2, np.nextafter(1.1, 2), leaves=2, rate=0.1)
    rate = complete(3, 1.05, leaves=8, rate=0.3)
    better = complete(4, 1.04, leaves=8, rate=0.3)
    assert best_trial([best, beyond], Rule("log_loss", maximize=False, simplest=("leaves",))) is best
    assert best_trial([best, at, beyond], Rule("log_loss", maximize=False, simplest=("leaves",))) is at
    rule = Rule("log_loss", maximize=False, simplest=("leaves", "-rate"))
    assert best_trial([best, at, beyond, rate], rule) is rate
    assert best_trial([best, at, beyond, rate, better], rule) is better  # as simple, and better


def test_the_simplest_is_found_among_the_highest_as_well():
    trials = [complete(0, -0.9, -1.1, leaves=64), complete(1, -1.1, leaves=8), complete(2, -1.2, leaves=2)]
    assert best_trial(trials, Rule("neg_log_loss", maximize=True, simplest=("leaves",))).number == 1


def test_what_is_no_number_has_no_order_of_simplicity():
    with pytest.raises(Misconfigured, match="simplest: boosting: a number was wanted in trial 0, found 'dart'"):
        best_trial([complete(0, 1.0, 2.0, boosting="dart")], Rule("auc", maximize=True, simplest=("boosting",)))


def test_the_verdict_says_which_trial_and_why():
    verdict = judge_sweep(sweep(2), [complete(0, 0.5, 0.7, a=1), complete(1, 0.4, 0.6, a=2)])
    assert (verdict.outcome, verdict.facts["trial"], verdict.facts["params"]) == (Outcome.PASS, 1, {"a": 2})
    chosen = verdict.findings[1]
    assert chosen.subject == "trial 1"
    assert chosen.interval == pytest.approx([0.4, 0.6])
    assert chosen.reason == "the lowest log_loss, of equal ones the earliest: log_loss 0.5 ± 0.1"
    assert [trial["score"] for trial in verdict.facts["trials"]] == pytest.approx([0.6, 0.5])
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False)) == verdict.to_json()


def test_the_verdict_names_the_best_where_a_simpler_one_was_chosen():
    rule = Rule("log_loss", maximize=False, simplest=("a",))
    verdict = judge_sweep(sweep(2, rule), [complete(0, 0.4, 0.6, a=2), complete(1, 0.55, a=1)])
    assert verdict.findings[1].reason == (
        "the simplest by a within one standard error of the lowest log_loss: log_loss 0.55; trial 0 had 0.5 ± 0.1"
    )


def test_lost_trials_are_a_warning_and_no_complete_one_leaves_the_choice_unknown():
    failed = Trial(1, {}, State.FAILED, (), "no memory")
    verdict = judge_sweep(sweep(4), [complete(0, 0.5), failed, Trial(2, {}, State.PRUNED, (0.9,))])
    assert verdict.outcome is Outcome.WARN
    assert verdict.findings[0].reason == "2 of 4 trials came to an end: trial 1: no memory"
    assert verdict.facts["states"] == {"running": 0, "complete": 1, "pruned": 1, "failed": 1}
    nothing = judge_sweep(sweep(2), [failed])
    assert nothing.outcome is Outcome.UNKNOWN
    assert "params" not in nothing.facts
    assert judge_sweep(sweep(2), []).findings[0].reason == "0 of 2 trials came to an end"


def test_plan_and_trial_come_back_from_json_as_they_were():
    rule = Rule("auc", maximize=True, simplest=("a",))
    plan = Sweep("m", "k" * 32, RECORD, rule, 2, points=({"a": 1}, {"a": None}), folds=3, kind="regression", seed=7)
    for one in (plan, sweep(3)):
        assert Sweep.from_json(json.loads(json.dumps(one.to_json()))) == one
    trial = Trial(3, {"a": [1, {"b": None}]}, State.FAILED, (0.5, 1.0), "why")
    assert Trial.from_json(json.loads(json.dumps(trial.to_json()))) == trial
    assert plan.name == "m.sweep.kkkkkkkk"
