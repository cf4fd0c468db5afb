"""Who the users are, and what counts of what became of them."""

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.experiment_metrics import parse_metric
from hilir.serving.experiment.readings import collect_values
from tests.unit.serving.experiment.people import DAY, HOUR, People, experiment


def values(people: People, text: str | None = None, high: float = HOUR) -> list[float]:
    metric = parse_metric(text or people.experiment.metrics[0])
    return collect_values(metric, people.find(), 0.0, high).value.tolist()


def test_the_first_request_defines_the_arm_and_others_without_a_key_are_apart():
    people = People(experiment())
    people.ask("a", 0, label="stable")
    people.ask("a", 10, label="candidate")
    people.ask("b", 20, label="candidate")
    people.ask(None, 30, label="candidate", failed=True)
    people.ask(None, 30, label="stable")
    users = people.find()
    assert users.candidate.tolist() == [False, True]
    cover = users.coverage
    assert (cover.requests, cover.crossed, cover.keyless, cover.keyless_failed) == (3, 1, (1, 1), (0, 1))


def test_outcomes_count_within_the_users_window_and_are_counted_where_they_do_not():
    people = People(experiment("mean:spent"))
    first = people.ask("a", 0)
    again = people.ask("a", 0.5 * HOUR)
    people.ask("b", 0)
    people.tell("spent", 1, 10, request=first)
    people.tell("spent", 2, 0.9 * HOUR, request=again, row=5)
    people.tell("spent", 4, 1.1 * HOUR, request=again)
    people.tell("spent", 8, 20, user="a")
    people.tell("spent", 16, 20, user="nobody")
    people.tell("spent", 32, 20, request="r-unknown")
    assert values(people) == [11.0, 0.0]
    cover = people.find().coverage
    assert (cover.late, cover.unknown_users, cover.unknown, cover.with_outcome) == (1, 1, 1, 2)
    rows = people.find(rows={(again, people.requests[again].version): 5, ("r-9", "1"): 1}).coverage
    assert (rows.unknown_rows, rows.logged) == (1, 1)


def test_outcomes_of_other_requests_of_the_model_are_neither_counted_nor_unknown():
    people = People(experiment())
    other = people.ask("a", 0)
    people.requests[other] = people.requests["r-0"].__class__(
        **{name: getattr(people.requests[other], name) for name in people.requests[other].__slots__}
        | {"experiment": "", "experiment_user": ""}
    )
    people.tell("bought", 1, 10, request=other)
    users = people.find()
    assert (users.first.size, users.coverage.unknown, users.coverage.with_outcome) == (0, 0, 0)


def test_a_little_skew_is_the_first_request_and_what_is_older_is_a_covariate():
    people = People(experiment("mean:spent:covariate=before"))
    people.ask("a", 0)
    people.ask("b", 0)
    people.tell("spent", 1, -299, user="a")
    people.tell("spent", 2, -301, user="a")
    people.tell("before", 7, -DAY, user="a")
    people.tell("before", 9, +10, user="b")
    found = collect_values(parse_metric(people.experiment.metrics[0]), people.find(), 0.0, HOUR)
    assert found.value.tolist() == [1.0, 0.0]
    assert found.other is not None
    assert [found.other[0], found.other[1] == found.other[1]] == [7.0, False]  # the second is not a number


def test_what_the_access_log_knows_needs_no_outcome():
    people = People(experiment("ratio:errors/requests"))
    people.ask("a", 0, latency_ms=5)
    people.ask("a", 10, latency_ms=500, failed=True)
    people.ask("a", 2 * HOUR, failed=True)
    people.ask("b", 20, latency_ms=7)
    assert values(people, "ratio:errors/requests") == [1.0, 0.0]
    assert collect_values(parse_metric("ratio:errors/requests"), people.find(), 0.0, HOUR).other.tolist() == [2.0, 1.0]
    assert values(people, "quantile:latency_ms:q=0.5") == [5.0, 7.0]


def test_a_metric_needs_numbers():
    people = People(experiment())
    people.tell("bought", "yes", 10, request=people.ask("a", 0))
    with pytest.raises(ServingConfigError, match="the outcome bought has the value 'yes'; a metric needs numbers"):
        people.find()
