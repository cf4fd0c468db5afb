"""What made-up experiments come to."""

import json
import math

import numpy as np
import pytest

from hilir.serving.experiment.report.experiment_page import write_page
from hilir.serving.experiment.report.json_form import to_json
from hilir.serving.experiment.report.terminal_table import write_table
from tests.unit.serving.experiment.people import DAY, HOUR, People, crowd, experiment


def buying(stable: float, candidate: float, **request):
    """Users who ask once, and buy with these rates."""

    def act(people, key, is_candidate, at, rng):
        asked = people.ask(key, at, latency_ms=float(rng.gamma(4, 10)))
        if rng.random() < (candidate if is_candidate else stable):
            people.tell("bought", 1, at + 60, request=asked)

    return act


def status_of(people: People, **more) -> str:
    return people.analyse(**more).conclusion.status


def test_a_better_and_a_worse_candidate_are_found_and_most_others_not():
    assert status_of(crowd(experiment(), 2000, buying(0.1, 0.25))) == "better"
    found = crowd(experiment(), 2000, buying(0.25, 0.1)).analyse()
    assert (found.conclusion.status, found.conclusion.remedy) == ("worse", "hilir release abort")
    statuses = [status_of(crowd(experiment(), 2000, buying(0.2, 0.2), seed)) for seed in range(10)]
    assert statuses.count("alike") >= 9


def test_undecided_names_about_how_many_more_users_it_takes():
    found = crowd(experiment(planned=5000), 1000, buying(0.1, 0.12)).analyse()
    assert found.conclusion.status == "undecided"
    assert found.conclusion.words == f"not decided yet: needs about {found.conclusion.more_users:,} more users"
    assert 1000 <= found.conclusion.more_users <= 4000
    assert People(experiment(planned=3000)).analyse().conclusion.more_users == 3000


def test_users_count_when_their_window_is_over():
    people = crowd(experiment(), 300, buying(0.5, 0.5))
    early = people.analyse(now=300 * 60.0)
    assert sum(early.users) == 300
    # One a minute comes: of the last 60 the hour is still open, but for the one that came first.
    assert sum(early.counted) == 241
    assert sum(people.analyse().counted) == 300


def test_nothing_is_called_better_before_its_days_are_over_but_harm_is():
    better = crowd(experiment(least_days=7), 2000, buying(0.1, 0.25))
    found = better.analyse(now=2 * DAY)
    assert found.conclusion.status == "undecided"
    assert "version 2 is better in users with bought so far" in found.conclusion.words
    assert "wait 5.0 days more, until 7 days are over" in found.conclusion.words
    assert status_of(better, now=7 * DAY) == "better"
    assert status_of(crowd(experiment(least_days=7), 2000, buying(0.25, 0.1)), now=2 * DAY) == "worse"


def test_a_decision_is_withheld_where_the_arms_do_not_have_their_shares():
    def losing(people, key, is_candidate, at, rng):
        if not is_candidate or rng.random() < 0.4:
            buying(0.1, 0.3)(people, key, is_candidate, at, rng)

    found = crowd(experiment(), 2000, losing).analyse()
    assert found.mismatch_p < 0.001
    assert found.conclusion.status == "withheld"
    assert "the arms do not have the planned shares of users" in found.conclusion.words


def test_a_guardrail_stops_what_a_metric_likes():
    def failing(people, key, is_candidate, at, rng):
        asked = people.ask(key, at, failed=bool(rng.random() < (0.2 if is_candidate else 0.02)))
        if rng.random() < (0.3 if is_candidate else 0.1):
            people.tell("bought", 1, at + 60, request=asked)

    guarded = experiment(guardrails=("ratio:errors/requests:margin=0.05",))
    found = crowd(guarded, 1500, failing).analyse()
    assert found.conclusion.words == "stop: version 2 harms errors per request"
    assert found.conclusion.remedy == "hilir release abort"
    tolerant = experiment(guardrails=("ratio:errors/requests:margin=0.5",))
    assert status_of(crowd(tolerant, 1500, failing)) == "better"


def test_a_slow_candidate_is_found_by_its_quantile():
    def slow(people, key, is_candidate, at, rng):
        people.ask(key, at, latency_ms=float(rng.gamma(4, 10) + (40 if is_candidate else 0)))

    guarded = experiment(guardrails=("quantile:latency_ms:q=0.5:margin=10",))
    assert status_of(crowd(guarded, 1500, slow)) == "harmful"
    found = crowd(experiment("quantile:latency_ms:q=0.5"), 1500, slow).analyse()
    assert found.conclusion.words == "version 2 is worse in latency_ms, 0.5 quantile"
    last = found.curves[0].readings[-1]
    assert last.low <= 40 <= last.high


def test_several_metrics_are_corrected_and_may_disagree():
    def torn(people, key, is_candidate, at, rng):
        asked = people.ask(key, at)
        people.tell("spent", rng.normal(10 - is_candidate, 1), at + 60, request=asked)
        if rng.random() < (0.3 if is_candidate else 0.1):
            people.tell("bought", 1, at + 60, request=asked)

    found = crowd(experiment("proportion:bought", "mean:spent"), 2000, torn).analyse()
    assert found.conclusion.status == "mixed"
    assert "better in users with bought and worse in spent per user" in found.conclusion.words
    clearest = min(found.curves, key=lambda curve: curve.readings[-1].p)
    assert clearest.corrected == 2 * clearest.readings[-1].p


def test_a_covariate_narrows_the_sequence_by_what_it_explains():
    def spending(people, key, is_candidate, at, rng):
        habit = rng.normal(100, 20)
        people.tell("before", habit, at - DAY, user=key)
        people.tell("spent", habit + rng.normal(is_candidate, 5), at + 60, request=people.ask(key, at))

    def width(text: str) -> float:
        last = crowd(experiment(text), 1000, spending).analyse().curves[0].readings[-1]
        return last.high - last.low

    # Variance 25 of 425 is left.
    assert width("mean:spent:covariate=before") / width("mean:spent") == pytest.approx(math.sqrt(25 / 425), rel=0.1)


def test_a_ratio_weighs_users_by_what_they_do():
    def clicking(people, key, is_candidate, at, rng):
        shown = rng.poisson(5) + 1
        people.tell("shown", shown, at + 1, user=key)
        people.tell("clicked", rng.binomial(shown, 0.3 if is_candidate else 0.2), at + 1, user=key)
        people.ask(key, at)

    last = crowd(experiment("ratio:clicked/shown"), 1000, clicking).analyse().curves[0].readings[-1]
    assert (last.stable, last.candidate) == (pytest.approx(0.2, abs=0.02), pytest.approx(0.3, abs=0.02))
    assert last.low < 0.1 < last.high


def test_small_shares_are_compared_exactly():
    small = experiment(percent=5, planned=4000)
    assert status_of(crowd(small, 4000, buying(0.02, 0.25))) == "better"
    last = crowd(small, 4000, buying(0.02, 0.02)).analyse().curves[0].readings[-1]
    assert last.low < 0 < last.high
    assert last.p > 0.05


def test_novelty_is_a_difference_by_day_since_the_first_request():
    def curious(people, key, is_candidate, at, rng):
        people.ask(key, at)
        for day in range(4):
            if rng.random() < (0.5 if is_candidate and day == 0 else 0.1):
                people.tell("bought", 1, at + day * DAY + 100, user=key)

    found = crowd(experiment(window_seconds=4 * DAY), 800, curious).analyse().curves[0].by_day
    assert [day for day, _ in found] == [1, 2, 3, 4]
    assert found[0][1].low > 0.1
    assert all(reading.low < 0 < reading.high for _, reading in found[1:])
    by_date = crowd(experiment(), 4000, buying(0.2, 0.3)).analyse().curves[0].by_day
    assert [day for day, _ in by_date] == [1, 2, 3]
    assert sum(reading.users for _, reading in by_date) == 4000


def test_the_timeline_has_what_would_have_been_decided_when():
    found = crowd(experiment(), 2000, buying(0.1, 0.3)).analyse()
    assert [each.status for _, _, each in found.timeline] == ["undecided", "better"]
    at, users, _ = found.timeline[-1]
    # The looks use the users that counted then: one a minute, whose hour is over.
    assert at == found.experiment.window_seconds + (users - 1) * 60 + found.now - 30 * DAY
    assert users < 1500
    assert [each.p for each in found.curves[0].readings] == sorted(
        (each.p for each in found.curves[0].readings), reverse=True
    )


def test_the_report_says_the_same_in_all_forms_and_escapes_names():
    odd = experiment("proportion:<b>bought", guardrails=("ratio:errors/requests",))

    def act(people, key, is_candidate, at, rng):
        people.tell("<b>bought", rng.random() < (0.3 if is_candidate else 0.1), at + 60, request=people.ask(key, at))
        people.ask(None, at, label="stable")

    found = crowd(odd, 1500, act).analyse()
    page, table, content = write_page(found), "\n".join(write_table(found)), to_json(found)
    assert "<b>bought" not in page
    assert "Version 2 is better in users with &lt;b&gt;bought." in page
    assert "src=" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert found.conclusion.words in table
    assert "without a user key, and in no figure: 1,500 requests to stable" in table
    assert json.loads(json.dumps(content, allow_nan=False))["conclusion"]["status"] == "better"
    assert len(content["metrics"][0]["looks"]) == 40
    assert [each["verdict"] for each in content["metrics"]] == ["better", "open"]


def test_an_experiment_without_users_can_be_reported():
    found = People(experiment(guardrails=("quantile:latency_ms:q=0.9", "ratio:errors/requests"))).analyse(now=0)
    assert "not decided yet: needs about 2,000 more users" in "\n".join(write_table(found))
    assert "<svg" not in write_page(found)
    json.dumps(to_json(found), allow_nan=False)


def test_two_arms_with_one_rate_are_rarely_told_apart_at_any_look():
    """The exact comparison of small shares, 300 experiments with 20 looks: at most 5 % and two standard errors."""
    from hilir.serving.experiment.statistics.bernoulli import compare_shares

    rng, alarms = np.random.default_rng(5), 0
    for _ in range(300):
        hits, sizes = np.zeros(2), np.zeros(2)
        for _ in range(20):
            new = rng.binomial(200, 0.05)
            sizes += (200 - new, new)
            hits += rng.binomial([200 - new, new], 0.02)
            if compare_shares((hits[0], sizes[0]), (hits[1], sizes[1]), (3800, 200)) < 0.05:
                alarms += 1
                break
    assert alarms / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    assert compare_shares((38, 3800), (30, 200), (3800, 200)) < 1e-6
    assert compare_shares((0, 0), (3, 20), (3800, 200)) == 1.0


def test_windows_of_an_hour_are_described_as_such():
    found = crowd(experiment(window_seconds=2 * HOUR), 10, buying(0.5, 0.5)).analyse()
    assert "whose first request is more than 2 hours ago" in "\n".join(write_table(found))
