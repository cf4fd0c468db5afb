"""Envoy's counters per version: what is an error, quantiles, and the last minutes."""

import json
import time

import pytest

from hilir.serving.gateway.counters import find_quantile, is_error, parse_counters, subtract, total
from hilir.serving.gateway.recent import RECENT_FILE, Recorder, read_window
from hilir.serving.releases.rollout_plan import Counts


def page(version: int = 2, scale: int = 1, model: str = "a.b") -> str:
    """As Envoy 1.40 writes it."""
    name = f'model="{model}",version="{version}",arm="candidate"'
    statuses = {("200", ""): 90, ("200", "0"): 40, ("200", "13"): 4, ("400", ""): 3, ("0", ""): 5, ("499", ""): 6,
                ("200", "1"): 7}  # fmt: skip
    lines = ["# TYPE envoy_hilir_version_requests counter"]
    lines += [
        f'envoy_hilir_version_requests{{{name},status="{status}",grpc_status="{code}"}} {count * scale}'
        for (status, code), count in statuses.items()
    ]
    lines += [
        f'envoy_hilir_version_latency_bucket{{{name},le="{edge}"}} {count * scale}'
        for edge, count in (("500", 0), ("575", 50), ("661.25", 50), ("760.4", 137), ("+Inf", 140))
    ]
    return "\n".join([*lines, 'envoy_hilir_version_requests{model="other",version="2",status="500"} 9'])


def test_both_statuses_count_and_those_who_did_not_wait_do_not():
    (counts,) = parse_counters(page(), "a.b").values()
    assert (counts.requests, counts.errors) == (90 + 40 + 4 + 3, 4 + 3)
    assert counts.latency == {0.575: 50, 0.7604: 87}
    assert parse_counters(page(), "nobody") == {}


@pytest.mark.parametrize(
    ("status", "grpc_status", "error"),
    [(200, "", False), (200, "0", False), (200, "14", True), (404, "", True), (503, "-", True), (200, "-", False)],
)
def test_what_an_error_is(status, grpc_status, error):
    assert is_error(status, grpc_status) is error


def test_quantiles_are_between_the_edges_of_their_bucket():
    counts = Counts(requests=100, latency={0.5: 10, 10.0: 89, 100.0: 1})
    assert find_quantile(counts, 0.05) == (0.0, 0.5)
    low, high = find_quantile(counts, 0.5)
    assert (round(low, 3), high) == (8.696, 10.0)
    assert find_quantile(counts, 1.0)[1] == 100.0
    assert find_quantile(Counts(), 0.5) is None


def test_a_gateway_that_was_started_anew_begins_at_nothing():
    before, now = Counts(requests=10, errors=1, latency={1.0: 10}), Counts(requests=13, errors=1, latency={1.0: 13})
    assert subtract(now, before) == Counts(requests=3, errors=0, latency={1.0: 3})
    assert subtract(before, now) == before


def test_the_last_minutes_are_the_difference_to_the_oldest_snapshot(tmp_path):
    assert read_window(tmp_path, "a.b", page()) is None
    recorder = Recorder(tmp_path)
    assert recorder.is_due()
    began = time.time()
    recorder.record(page())
    assert not recorder.is_due()
    window = read_window(tmp_path, "a.b", page(scale=3))
    assert total(window.counted, 2).requests == 2 * 137
    assert 0 <= window.seconds <= time.time() - began
    stale = [{**snapshot, "at": time.time() - 1000} for snapshot in json.loads((tmp_path / RECENT_FILE).read_text())]
    (tmp_path / RECENT_FILE).write_text(json.dumps(stale))
    assert read_window(tmp_path, "a.b", page()) is None, "the process that kept them is gone"
    (tmp_path / RECENT_FILE).write_text("[1")
    assert read_window(tmp_path, "a.b", page()) is None
