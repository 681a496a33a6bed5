from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xops.core.errors import Misconfigured
from xops.core.policy import Choice, Decision, RetrainPolicy, Window
from xops.core.verdict import Outcome

pytestmark = pytest.mark.unit

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
KINDS = ("drift", "performance")
OUTCOMES = st.sampled_from(Outcome)
FAILING = OUTCOMES | st.just(FAIL)
TESTS = st.sampled_from([None, *Outcome])
MOSTLY_SOUND = TESTS | st.just(PASS)


def history(letters):
    """Give one window a letter: stale, well or broken; batches are named by their place from 1."""
    means = {
        "s": ({"drift": PASS, "performance": FAIL}, PASS),
        "w": ({"drift": PASS, "performance": PASS}, PASS),
        "b": ({"drift": FAIL, "performance": FAIL}, FAIL),
    }
    return [Window(str(place), means[letter][0], {}, means[letter][1]) for place, letter in enumerate(letters, 1)]


def choice(policy, letters, **known):
    return policy.decide(history(letters), **known).choice


@st.composite
def histories(draw, judged=OUTCOMES, tests=TESTS):
    outcomes = st.dictionaries(st.sampled_from(KINDS), judged)
    drawn = draw(st.lists(st.tuples(outcomes, tests), min_size=1, max_size=12))
    return [Window(f"{place:02d}", judged, {}, test) for place, (judged, test) in enumerate(drawn)]


@st.composite
def policies(draw):
    n = draw(st.integers(1, 5))
    return RetrainPolicy(
        k=draw(st.integers(1, n)),
        n=n,
        cooldown=draw(st.integers(0, 4)),
        min_new_rows=draw(st.integers(0, 2)),
        budget=draw(st.none() | st.integers(0, 3)),
        budget_windows=draw(st.integers(1, 6)),
    )


@st.composite
def known(draw):
    return {
        "requested": draw(st.lists(st.integers(0, 11).map("{:02d}".format), unique=True)),
        "open_request": draw(st.none() | st.just("00")),
        "new_rows": draw(st.none() | st.integers(0, 3)),
    }


@pytest.mark.parametrize(
    ("data_test", "broken"), [(None, False), (PASS, False), (WARN, False), (FAIL, True), (UNKNOWN, True)]
)
def test_a_window_is_broken_when_its_data_tests_did_not_pass(data_test, broken):
    assert Window("1", {}, data_test=data_test).broken is broken


@pytest.mark.parametrize(
    ("outcomes", "stale"),
    [
        ({}, False),
        ({"drift": PASS}, False),
        ({"drift": WARN}, False),
        ({"drift": UNKNOWN}, False),
        ({"drift": FAIL}, True),
        ({"drift": PASS, "performance": FAIL}, True),
    ],
)
def test_only_a_failed_check_on_sound_data_speaks_against_the_model(outcomes, stale):
    assert Window("1", outcomes, data_test=PASS).stale is stale
    assert not Window("1", outcomes, data_test=FAIL).stale


def test_before_any_batch_was_judged_it_waits():
    assert RetrainPolicy().decide([]) == Decision(Choice.WAIT, ("no batch has been judged yet",))


@pytest.mark.parametrize(
    ("letters", "wanted"),
    [
        ("s", Choice.WAIT),
        ("ws", Choice.WAIT),
        ("wws", Choice.WAIT),
        ("ss", Choice.RETRAIN),
        ("sws", Choice.RETRAIN),
        ("wss", Choice.RETRAIN),
        ("ssw", Choice.RETRAIN),
        ("sss", Choice.RETRAIN),
        ("swws", Choice.WAIT),
        ("ssww", Choice.WAIT),
    ],
)
def test_two_of_the_last_three_windows_must_speak_against_the_model(letters, wanted):
    assert choice(RetrainPolicy(k=2, n=3), letters) is wanted


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("place", ["newest", "oldest"])
def test_one_window_fewer_than_k_is_not_enough_and_k_are(k, place):
    policy = RetrainPolicy(k=k, n=4)
    for count, wanted in ((k - 1, Choice.WAIT), (k, Choice.RETRAIN)):
        letters = "w" * (4 - count) + "s" * count if place == "newest" else "s" * count + "w" * (4 - count)
        assert choice(policy, letters) is wanted


@pytest.mark.parametrize(
    ("letters", "wanted"), [("sbs", Choice.RETRAIN), ("ssbw", Choice.RETRAIN), ("sbww", Choice.WAIT)]
)
def test_broken_windows_are_passed_over(letters, wanted):
    assert choice(RetrainPolicy(k=2, n=3), letters) is wanted


@given(histories(), policies(), known())
def test_it_never_retrains_on_broken_data(windows, policy, held):
    broken = replace(windows[-1], data_test=FAIL)
    decision = policy.decide([*windows[:-1], broken], **held)
    assert decision.choice is Choice.WAIT
    assert decision.reasons == (f"{broken.batch} is broken data, not drift: its data tests did not pass",)


@given(histories(FAILING, MOSTLY_SOUND), policies(), st.just({}) | known(), st.data())
def test_one_more_failure_never_turns_retraining_into_waiting(windows, policy, held, data):
    place, kind = data.draw(st.integers(0, len(windows) - 1)), data.draw(st.sampled_from(KINDS))
    passing, failing = (
        replace(windows[place], outcomes={**windows[place].outcomes, kind: outcome}) for outcome in (PASS, FAIL)
    )
    without = policy.decide([*windows[:place], passing, *windows[place + 1 :]], **held).choice
    more = policy.decide([*windows[:place], failing, *windows[place + 1 :]], **held).choice
    assert without is Choice.WAIT or more is Choice.RETRAIN


@given(histories(FAILING, MOSTLY_SOUND), policies(), known(), st.data())
def test_a_broken_window_between_others_changes_nothing(windows, policy, held, data):
    policy = replace(policy, budget=None)  # its period is counted in windows, whatever they hold
    place = data.draw(st.integers(0, len(windows) - 1))
    broken = Window(f"{place - 1:02d}~", {"performance": FAIL}, data_test=UNKNOWN)
    assert policy.decide([*windows[:place], broken, *windows[place:]], **held) == policy.decide(windows, **held)


@settings(max_examples=100)
@given(histories(FAILING, MOSTLY_SOUND), policies(), known())
def test_it_retrains_exactly_when_enough_windows_speak_and_nothing_holds_it_back(windows, policy, held):
    age = {window.batch: len(windows) - place for place, window in enumerate(windows, 1)}
    ages = [age[batch] for batch in held["requested"] if age.get(batch)]  # the newest is of age 0: its own retry
    since = min(ages, default=len(windows))
    fresh = [window for window in windows[len(windows) - since :] if window.data_test in (None, PASS, WARN)]
    speaking = sum(FAIL in window.outcomes.values() for window in fresh[-policy.n :])
    free = (
        held["open_request"] is None
        and (not ages or len(fresh) > policy.cooldown)
        and (policy.budget is None or sum(past < policy.budget_windows for past in ages) < policy.budget)
        and (policy.min_new_rows == 0 or (held["new_rows"] or 0) >= policy.min_new_rows)
    )
    sound = windows[-1].data_test in (None, PASS, WARN)
    wanted = Choice.RETRAIN if sound and speaking >= policy.k and free else Choice.WAIT
    assert policy.decide(windows, **held).choice is wanted


@given(histories(FAILING, MOSTLY_SOUND), policies(), known(), st.data())
def test_what_was_found_up_to_the_last_request_changes_nothing(windows, policy, held, data):
    last = max((batch for batch in held["requested"] if batch < windows[-1].batch), default="")
    others = [
        replace(window, outcomes={"drift": data.draw(FAILING)}, data_test=data.draw(TESTS))
        if window.batch <= last
        else window
        for window in windows
    ]
    assert policy.decide(others, **held) == policy.decide(windows, **held)


@given(histories(FAILING, MOSTLY_SOUND), policies(), known())
def test_what_was_asked_for_at_the_batch_itself_or_later_changes_nothing(windows, policy, held):
    before = [batch for batch in held["requested"] if batch < windows[-1].batch]
    assert policy.decide(windows, **held) == policy.decide(windows, **held | {"requested": before})


@given(histories(), policies(), known())
def test_every_decision_has_its_reasons(windows, policy, held):
    reasons = policy.decide(windows, **held).reasons
    assert reasons
    assert all(reasons)


@pytest.mark.parametrize("cooldown", [0, 1, 2, 3])
@pytest.mark.parametrize("passed", [1, 2, 3, 4, 5])
def test_after_a_request_the_cooldown_must_pass_before_the_next(cooldown, passed):
    policy = RetrainPolicy(k=1, n=1, cooldown=cooldown)
    wanted = Choice.WAIT if passed <= cooldown else Choice.RETRAIN
    assert choice(policy, "s" * (1 + passed), requested=["1"]) is wanted


def test_a_cooldown_longer_than_the_history_still_holds():
    decision = RetrainPolicy(k=1, n=1, cooldown=9).decide(history("ss"), requested=["1"])
    assert decision.choice is Choice.WAIT
    assert decision.reasons[0] == "cooling down: 9 batches must pass after 1, 0 have"


def test_the_latest_of_several_requests_is_the_one_that_cools_down():
    decision = RetrainPolicy(k=1, n=1, cooldown=3).decide(history("sssss"), requested=["3", "2"])
    assert decision.reasons[0] == "cooling down: 3 batches must pass after 3, 1 have"


@pytest.mark.parametrize(
    ("letters", "wanted"),
    [("ss", Choice.WAIT), ("sbs", Choice.WAIT), ("sbbs", Choice.WAIT), ("sbsbs", Choice.RETRAIN)],
)
def test_broken_windows_do_not_cool_down(letters, wanted):
    assert choice(RetrainPolicy(k=1, n=1, cooldown=1), letters, requested=["1"]) is wanted


@pytest.mark.parametrize(("cooldown", "wanted"), [(1, Choice.RETRAIN), (2, Choice.WAIT)])
def test_a_request_made_under_an_earlier_champion_cools_down_too(cooldown, wanted):
    policy = RetrainPolicy(k=1, n=1, cooldown=cooldown)
    assert choice(policy, "ss", requested=["0"]) is wanted


@pytest.mark.parametrize(
    ("letters", "requested", "wanted"),
    [
        ("sss", ["1"], Choice.RETRAIN),
        ("sss", ["2"], Choice.WAIT),
        ("ssws", ["2"], Choice.WAIT),
        ("sssws", ["2"], Choice.RETRAIN),
        ("ssbw", ["2"], Choice.WAIT),
        ("sss", ["0"], Choice.RETRAIN),
    ],
)
def test_windows_up_to_the_last_request_have_done_their_work(letters, requested, wanted):
    assert choice(RetrainPolicy(k=2, n=3, cooldown=0), letters, requested=requested) is wanted


def test_a_decision_says_since_when_it_counts():
    said = RetrainPolicy().decide(history("ssbs"), requested=["1", "2"]).reasons
    assert said == (
        "1 of the last 1 batches since retraining was asked for after 2 speak against the model, 2 are needed",
        "4: performance failed",
    )


def test_deciding_again_on_an_earlier_batch_does_not_see_later_requests():
    policy = RetrainPolicy(k=2, n=3, cooldown=5, budget=1)
    assert choice(policy, "ss", requested=["3"]) is Choice.RETRAIN


def test_a_task_that_is_retried_is_not_held_back_by_its_own_request():
    policy = RetrainPolicy(k=2, n=3, cooldown=5, budget=1)
    assert choice(policy, "ss", requested=["2"]) is Choice.RETRAIN


@pytest.mark.parametrize(
    ("requested", "wanted"),
    [([], Choice.RETRAIN), (["3"], Choice.RETRAIN), (["3", "4"], Choice.WAIT), (["2", "3", "4"], Choice.WAIT)],
    ids=["none spent", "below the budget", "at the budget", "above the budget"],
)
def test_a_budget_bounds_the_requests_of_a_period(requested, wanted):
    policy = RetrainPolicy(k=1, n=1, cooldown=0, budget=2, budget_windows=4)
    assert choice(policy, "sssss", requested=requested) is wanted


@pytest.mark.parametrize(("asked", "wanted"), [("1", Choice.RETRAIN), ("2", Choice.WAIT), ("4", Choice.WAIT)])
def test_a_request_leaves_the_budget_with_the_period(asked, wanted):
    policy = RetrainPolicy(k=1, n=1, cooldown=0, budget=1, budget_windows=4)
    assert choice(policy, "sssss", requested=[asked]) is wanted


def test_a_request_made_under_an_earlier_champion_spends_the_budget_too():
    policy = RetrainPolicy(k=1, n=1, cooldown=0, budget=1, budget_windows=4)
    assert choice(policy, "ss", requested=["0"]) is Choice.WAIT


def test_requests_of_long_ago_do_not_spend_the_budget_of_a_new_champion():
    policy = RetrainPolicy(k=1, n=1, cooldown=0, budget=1, budget_windows=2)
    windows = history("ss")
    assert policy.decide(windows, requested=["-1"], batches=["-1", "0"]).choice is Choice.RETRAIN
    assert policy.decide(windows, requested=["1"], batches=["-1", "0"]).choice is Choice.WAIT


def test_a_budget_of_nothing_never_retrains():
    decision = RetrainPolicy(budget=0).decide(history("sss"))
    assert decision.choice is Choice.WAIT
    assert decision.reasons[0] == "the budget of 0 requests in 12 batches is spent"


@pytest.mark.parametrize(
    ("new_rows", "wanted"),
    [(None, Choice.WAIT), (0, Choice.WAIT), (99, Choice.WAIT), (100, Choice.RETRAIN), (101, Choice.RETRAIN)],
)
def test_new_labelled_rows_must_have_come(new_rows, wanted):
    assert choice(RetrainPolicy(min_new_rows=100), "ss", new_rows=new_rows) is wanted


@pytest.mark.parametrize("new_rows", [None, 0])
def test_without_the_rule_nobody_counts_the_rows(new_rows):
    assert choice(RetrainPolicy(), "ss", new_rows=new_rows) is Choice.RETRAIN


def test_an_open_request_is_waited_for():
    decision = RetrainPolicy().decide(history("sss"), open_request="1")
    assert decision.choice is Choice.WAIT
    assert decision.reasons[0] == "the request made after 1 is still open"


def test_all_that_holds_it_back_is_said_before_what_speaks_for_it():
    policy = RetrainPolicy(cooldown=2, budget=1, min_new_rows=5)
    decision = policy.decide(history("sss"), requested=["1"], open_request="1", new_rows=4)
    assert decision == Decision(
        Choice.WAIT,
        (
            "the request made after 1 is still open",
            "cooling down: 2 batches must pass after 1, 1 have",
            "the budget of 1 requests in 12 batches is spent",
            "4 new labelled rows, 5 are needed",
            "2 of the last 2 batches since retraining was asked for after 1 speak against the model, 2 are needed",
            "2: performance failed",
            "3: performance failed",
        ),
    )


def test_a_decision_quotes_what_the_verdicts_said():
    windows = [
        Window("1", {"performance": FAIL, "drift": FAIL}, {"performance": "AUC fell"}, PASS),
        Window("2", {"performance": PASS}, {"performance": "AUC held"}, PASS),
    ]
    assert RetrainPolicy().decide(windows) == Decision(
        Choice.WAIT,
        (
            "1 of the last 2 batches speak against the model, 2 are needed",
            "1: AUC fell",
            "1: drift failed",
        ),
    )
    broken = Window("3", {}, {"data_test": "7 rows have no origin"}, FAIL)
    said = RetrainPolicy().decide([*windows, broken]).reasons
    assert said == ("3 is broken data, not drift: 7 rows have no origin",)


@pytest.mark.parametrize(
    "settings",
    [
        {"k": 1, "n": 1},
        {"k": 3, "n": 3},
        {"cooldown": 0},
        {"min_new_rows": 0},
        {"budget": 0},
        {"budget": None},
        {"budget_windows": 1},
    ],
)
def test_a_policy_at_its_limits_is_taken(settings):
    policy = RetrainPolicy.of(settings)
    assert {name: getattr(policy, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"k": 0}, "1 <= k <= n was wanted, found k=0, n=3"),
        ({"k": 4}, "1 <= k <= n was wanted, found k=4, n=3"),
        ({"k": 0, "n": 0}, "found k=0, n=0"),
        ({"cooldown": -1}, "cooldown and min_new_rows are at least 0"),
        ({"min_new_rows": -1}, "cooldown and min_new_rows are at least 0"),
        ({"budget_windows": 0}, "budget_windows at least 1"),
        ({"budget": -1}, "a budget of at least 0 was wanted, found -1"),
        ({"colour": "red"}, "unexpected keyword argument 'colour'"),
        ({"k": "two"}, "retrain policy: "),
    ],
)
def test_a_policy_beyond_its_limits_is_refused(settings, why):
    with pytest.raises(Misconfigured, match=why):
        RetrainPolicy.of(settings)


def test_no_settings_give_the_default_and_a_policy_gives_itself():
    policy = RetrainPolicy(k=1)
    assert RetrainPolicy.of(None) == RetrainPolicy.of({}) == RetrainPolicy()
    assert RetrainPolicy.of(policy) is policy
