"""schedule, with the real client: created once, found by name, paused, changed, run by the server's clock."""

from __future__ import annotations

import json

import pytest

CREATE = "POST .*/schedules$"
NIGHTLY = ("--cron", "TZ=Asia/Jakarta 0 3 * * *")


@pytest.fixture
def nightly(hilir, spec) -> str:
    """A schedule called `small`."""
    hilir("schedule", "create", spec(), *NIGHTLY)
    return "small"


def test_created_paused_changed_resumed_deleted(hilir, vertex, spec) -> None:
    options = ("--name", "nightly", "--max-concurrent", "2", "--queue", "--max-runs", "30", "--start", "2030-01-01")
    done = hilir("schedule", "create", spec(), *NIGHTLY, *options)
    assert "the schedule nightly" in done.out
    (made,) = vertex.store.all("schedules").values()
    assert made.cron == "TZ=Asia/Jakarta 0 3 * * *"
    assert (made.max_concurrent_run_count, made.allow_queueing, made.max_run_count) == (2, True, 30)
    assert made.start_time.ToJsonString() == "2030-01-01T00:00:00Z"
    for _ in range(2):
        assert "paused" in hilir("schedule", "pause", "nightly").out
    hilir("schedule", "update", "nightly", "--cron", "0 4 * * 1", "--skip")
    assert (made.cron, made.allow_queueing, made.max_concurrent_run_count) == ("0 4 * * 1", False, 2)
    for _ in range(2):
        assert "active" in hilir("schedule", "resume", "nightly", "--catch-up").out
    assert made.catch_up
    (line,) = json.loads(hilir("schedule", "list", "--json").out.splitlines()[-1])
    assert (line["name"], line["state"], line["cron"]) == ("nightly", "active", "0 4 * * 1")
    hilir("schedule", "delete", "nightly")
    assert vertex.store.all("schedules") == {}
    assert "there is no schedule 'nightly'" in hilir("schedule", "delete", "nightly", code=4).err


def test_runs_are_made_with_frozen_parameters(hilir, vertex, spec) -> None:
    hilir("schedule", "create", spec(), *NIGHTLY, "--parameter", "greeting=morning")
    first, second = vertex.schedules.tick("small"), vertex.schedules.tick("small")
    assert second is None, "one run at a time is the default"
    running = vertex.pipelines.running[first]
    running.thread.join(20)
    assert "read morning" in (running.logs / "Read.log").read_text()
    assert vertex.schedules.tick("small") is not None
    listed = json.loads(hilir("jobs", "list", "--json").out.splitlines()[-1])
    assert all(line["schedule"] for line in listed)


def test_source_is_exchanged(hilir, vertex, spec, nightly) -> None:
    hilir("schedule", "update", nightly, "--source", spec(), "--parameter", "greeting=evening")
    (made,) = vertex.store.all("schedules").values()
    values = made.create_pipeline_job_request.pipeline_job.runtime_config.parameter_values
    assert values["greeting"].string_value == "evening"
    assert made.cron == NIGHTLY[1]


def test_name_is_taken_once(hilir, vertex, spec, nightly) -> None:
    done = hilir("schedule", "create", spec(), *NIGHTLY, code=3)
    assert "change it with 'hilir schedule update'" in done.err
    assert len(vertex.store.all("schedules")) == 1


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
def test_bad_network_makes_no_second_schedule(hilir, vertex, spec, kind) -> None:
    vertex.store.faults.add(CREATE, kind)
    hilir("schedule", "create", spec(), *NIGHTLY)
    assert len(vertex.store.all("schedules")) == 1


def test_lost_deletion_is_a_deletion(hilir, vertex, nightly) -> None:
    vertex.store.faults.add("DELETE .*/schedules/", "drop after")
    hilir("schedule", "delete", nightly)
    assert vertex.store.all("schedules") == {}


def test_found_among_several_pages(hilir, vertex, spec) -> None:
    for number in range(5):
        hilir("schedule", "create", spec(), *NIGHTLY, "--name", f"s{number}")
    assert len(hilir("schedule", "list").out.splitlines()) == 5
    assert "paused" in hilir("schedule", "pause", "s0").out


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("every night", "is 'every night', which has 2 fields; write minute, hour, day"),
        ("TZ=Asia/Djakarta 0 3 * * *", "names the time zone 'Asia/Djakarta', which does not exist"),
    ],
)
def test_wrong_cron_is_told_here(hilir, vertex, spec, cron, message) -> None:
    assert message in hilir("schedule", "create", spec(), "--cron", cron, code=3).err
    assert vertex.store.requests == []


def test_dry_run_sends_nothing(hilir, vertex, spec) -> None:
    printed = json.loads(hilir("schedule", "create", spec(), *NIGHTLY, "--dry-run").out)
    assert printed["createPipelineJobRequest"]["pipelineJob"]["displayName"] == "small"
    assert vertex.store.requests == []


def test_nothing_to_change_is_a_usage_error(hilir, vertex, nightly) -> None:
    assert "nothing to change" in hilir("schedule", "update", nightly, code=2).err
