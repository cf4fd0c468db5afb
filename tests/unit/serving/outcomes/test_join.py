"""Which request an outcome is about: what the logs say, and what does not fit."""

import json

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.access_log import GOLDEN_IDS, read_access_logs
from hilir.serving.outcomes.join import join_outcomes
from hilir.serving.outcomes.outcome_records import SKEW_SECONDS, parse_outcome

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def line(request_id="r-1", **more) -> dict:
    entry = {
        "time": "2027-01-15T08:00:00.000Z", "request_id": request_id, "method": "POST",
        "path": "/v1/models/m:predict", "model": "m", "version": "2", "label": "candidate", "user": "0000000a",
        "experiment": "colour-3", "experiment_user": "0000000b", "client": None, "status": 200, "grpc_status": None,
        "flags": "-", "latency_ms": 12,
    }  # fmt: skip
    return entry | more


@pytest.fixture
def write(tmp_path):
    def write_lines(*lines, name="access.log"):
        path = tmp_path / name
        path.write_text("".join(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in lines))
        return str(path)

    return write_lines


def test_a_line_becomes_a_request(write):
    (found,) = read_access_logs([write(line())], "m").requests.values()
    assert (found.id, found.time, found.version, found.label) == ("r-1", NOW, "2", "candidate")
    assert (found.experiment, found.experiment_user, found.failed, found.latency_ms) == (
        "colour-3", "0000000b", False, 12.0
    )  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {"label": "shadow"},
        {"path": "/v1/models/m/metadata"},
        {"path": "/v1/models/m"},
        {"path": "/healthz", "model": None},
        {"path": "/grpc.health.v1.Health/Check", "model": None},
        {"path": "/tensorflow.serving.PredictionService/GetModelMetadata"},
        {"path": "/v1/outcomes", "model": None},
        {"model": "other"},
        {"request_id": f"{GOLDEN_IDS}2-1"},
    ],
)
def test_what_is_no_prediction_of_the_model_never_enters(write, more):
    log = read_access_logs([write(line(), line(**{"request_id": "r-2"} | more))], "m")
    assert list(log.requests) == ["r-1"]
    assert log.torn == 0


@pytest.mark.parametrize(
    ("more", "failed"),
    [
        ({"status": 200}, False),
        ({"status": 400}, False),
        ({"status": 404}, False),
        ({"status": 500}, True),
        ({"status": 503}, True),
        ({"grpc_status": "OK"}, False),
        ({"grpc_status": "InvalidArgument"}, False),
        ({"grpc_status": "Unavailable"}, True),
        ({"grpc_status": "Internal"}, True),
    ],
)
def test_a_request_that_was_wrong_is_no_failure(write, more, failed):
    (found,) = read_access_logs([write(line(**more))], "m").requests.values()
    assert found.failed is failed


def test_all_methods_and_selectors_of_both_protocols_count(write):
    paths = ["/v1/models/m/versions/2:predict", "/v1/models/m/labels/stable:classify", "/v1/models/m:regress"]
    paths += [f"/tensorflow.serving.PredictionService/{name}" for name in ("Predict", "Classify", "MultiInference")]
    lines = [line(f"r-{number}", path=path) for number, path in enumerate(paths)]
    assert len(read_access_logs([write(*lines)], "m").requests) == len(paths)


def test_of_requests_with_one_id_the_first_in_time_counts(write):
    late = write(line(time="2027-01-15T08:00:05.000Z", version="3"), line("r-2"), "{torn", name="one.log")
    early = write(line(version="1"), '{"time": 5}', name="two.log")
    log = read_access_logs([late, early], "m")
    assert (log.requests["r-1"].version, log.repeated, log.torn) == ("1", 1, 2)
    with pytest.raises(ServingConfigError, match="there is no such access log"):
        read_access_logs([f"{late}.gone"], "m")


def test_only_wanted_requests_are_kept_and_a_repeated_id_still_counts_once(write):
    late = [line("r-1", time="2027-01-15T08:00:05.000Z", experiment="e"), line("r-2", experiment="e"), line("r-3")]
    early = [line("r-1"), line("r-3", time="2027-01-15T08:00:09.000Z", experiment="e")]
    log = read_access_logs(
        [write(*late, name="one.log"), write(*early, name="two.log")], "m", lambda r: r.experiment == "e"
    )
    # The first requests with the ids r-1 and r-3 are not wanted; what repeats their ids is no request.
    assert (list(log.requests), log.repeated, log.torn) == (["r-2"], 2, 0)


def outcome(identity, at=NOW + 60):
    return parse_outcome({"id": identity, "name": "n", "value": 1, "time": at}, "here", NOW + 86400)


def test_outcomes_find_their_request_and_what_does_not_fit_is_counted(write):
    requests = read_access_logs([write(line("r-1"), line("r-2"))], "m").requests
    rows = {("r-1", "2"): 2, ("r-2", "2"): None}
    given = [outcome("r-1#0"), outcome("r-1#1"), outcome("r-1#2"), outcome("r-2#7"), outcome("r-3#0")]
    given += [outcome("r-2#1", NOW - SKEW_SECONDS), outcome("r-2#2", NOW - SKEW_SECONDS - 1)]
    given.append(parse_outcome({"user": "u", "name": "n", "value": 1}, "here", NOW))
    joined = join_outcomes(given, requests, rows)
    assert [f"{each.outcome.request}#{each.outcome.row}" for each in joined.matches] == [
        "r-1#0", "r-1#1", "r-2#7", "r-2#1"
    ]  # fmt: skip
    assert (joined.unknown, joined.unknown_rows, joined.early) == (1, 1, 1)
    # A clock that is a little slow does not put an outcome before its prediction.
    assert joined.matches[-1].time == NOW
