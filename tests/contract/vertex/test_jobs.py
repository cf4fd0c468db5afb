"""submit and jobs, with the real client: what arrives, what runs, what is shown, what goes wrong."""

from __future__ import annotations

import json

QUOTA = "The following quotas are exceeded: CustomModelTrainingCPUsPerProjectPerRegion"
CREATE = "POST .*/pipelineJobs$"


def test_submitted_job_runs_to_its_end(hilir, vertex, spec) -> None:
    done = hilir("submit", spec(), "--wait", "--parameter", "greeting=hi")
    assert "Make done" in done.out
    assert "Read done" in done.out
    assert "has succeeded" in done.out
    (job,) = vertex.store.all("pipelineJobs").values()
    (running,) = vertex.pipelines.running.values()
    assert "read hi" in (running.logs / "Read.log").read_text()
    assert job.service_account == ""


def test_account_network_key_and_labels_arrive(hilir, vertex, spec) -> None:
    sets = {
        "service_account": "runner@test-project.iam.gserviceaccount.com",
        "network": "projects/123456789012/global/networks/default",
        "encryption_key": "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k",
        "labels.team": "taxi",
    }
    hilir("submit", spec(), *[part for key, value in sets.items() for part in ("--set", f"vertex.{key}={value}")])
    (job,) = vertex.store.all("pipelineJobs").values()
    assert job.service_account == sets["service_account"]
    assert job.network == sets["network"]
    assert job.encryption_spec.kms_key_name == sets["encryption_key"]
    assert job.labels["team"] == "taxi"


def test_dry_run_prints_what_is_sent_and_sends_nothing(hilir, vertex, spec) -> None:
    path = spec()
    printed = json.loads(hilir("submit", path, "--dry-run", "--parameter", "greeting=x").out)
    assert vertex.store.requests == []
    hilir("submit", path, "--parameter", "greeting=x")
    (body,) = vertex.store.made(CREATE)
    assert _plain(body) == _plain(printed["pipelineJob"])
    assert printed["parent"] == "projects/test-project/locations/europe-west4"


def test_failed_step_is_named_with_its_reason(hilir, vertex, spec) -> None:
    path = spec(lambda builder: builder.step("Break", "sys.exit('no disk left')"))
    done = hilir("submit", path, "--wait", code=4)
    assert "Break failed" in done.out
    assert "Break: no disk left" in done.err
    assert "https://console.cloud.google.com/vertex-ai/pipelines/locations/europe-west4/runs/small-" in done.err
    job = next(iter(vertex.store.all("pipelineJobs"))).rpartition("/")[2]
    shown = hilir("jobs", "show", job, code=4)
    assert "no disk left" in shown.err


def test_jobs_are_listed_shown_and_canceled(hilir, vertex, spec) -> None:
    hilir("submit", spec(), "--wait")
    hilir("submit", spec(lambda builder: builder.step("Sleep", "time.sleep(60)"), name="slow"))
    listed = hilir("jobs", "list", "--json").out.splitlines()
    assert [line["state"] for line in json.loads(listed[-1])] == ["running", "succeeded"]
    assert len(json.loads(hilir("jobs", "list", "--pipeline", "small", "--json").out.splitlines()[-1])) == 1
    slow = json.loads(listed[-1])[0]["id"]
    assert "Sleep" in hilir("jobs", "show", slow).out
    assert "is being canceled" in hilir("jobs", "cancel", slow).out
    next(iter(reversed(vertex.pipelines.running.values()))).thread.join(20)
    assert "was canceled" in hilir("jobs", "show", slow, "--wait", code=4).err
    assert "has already ended: canceled" in hilir("jobs", "cancel", slow).out


def test_unknown_job_is_a_sentence(hilir, vertex) -> None:
    assert "is not found; check the name, vertex.project and vertex.region" in hilir("jobs", "show", "nope", code=4).err


def test_overload_is_waited_out(hilir, vertex, spec) -> None:
    vertex.store.faults.refuse(CREATE, 429, "RESOURCE_EXHAUSTED", "Quota exceeded for requests per minute.", times=1)
    vertex.store.faults.refuse(CREATE, 503, "UNAVAILABLE", "The service is currently unavailable.")
    done = hilir("submit", spec())
    assert "trying again" in done.err
    assert len(vertex.store.all("pipelineJobs")) == 1


def test_lost_answer_makes_no_second_job(hilir, vertex, spec) -> None:
    vertex.store.faults.add(CREATE, "drop after")
    hilir("submit", spec())
    assert len(vertex.store.all("pipelineJobs")) == 1
    assert len(vertex.store.made(CREATE)) == 1


def test_lost_request_is_made_again(hilir, vertex, spec) -> None:
    vertex.store.faults.add(CREATE, "drop before")
    hilir("submit", spec())
    assert len(vertex.store.all("pipelineJobs")) == 1


def test_refused_after_it_was_made_is_found_by_its_id(hilir, vertex, spec) -> None:
    # The answer is lost, and so is the look whether the job is there: the second creation meets the first one.
    vertex.store.faults.add(CREATE, "drop after")
    vertex.store.faults.refuse("GET .*/pipelineJobs/", 404, "NOT_FOUND", "Not yet visible.")
    hilir("submit", spec())
    assert len(vertex.store.made(CREATE)) == 2
    assert len(vertex.store.all("pipelineJobs")) == 1


def test_quota_is_refused_at_once_with_what_to_do(hilir, vertex, spec) -> None:
    vertex.store.faults.refuse(CREATE, 429, "RESOURCE_EXHAUSTED", QUOTA, times=9)
    done = hilir("submit", spec(), code=4)
    assert QUOTA in done.err
    assert "fewer or smaller machines" in done.err
    assert "trying again" not in done.err


def test_outage_ends_at_the_limit(hilir, vertex, spec) -> None:
    vertex.store.faults.refuse(CREATE, 503, "UNAVAILABLE", "The service is currently unavailable.", times=99)
    done = hilir("submit", spec(), code=4)
    assert "did not take it for 5 s (503: The service is currently unavailable)" in done.err


def test_waiting_survives_a_bad_network(hilir, vertex, spec) -> None:
    for kind in ("drop before", "drop after"):
        vertex.store.faults.add("GET .*/pipelineJobs/", kind)
    vertex.store.faults.refuse("GET .*/pipelineJobs/", 502, "UNAVAILABLE", "Bad gateway.")
    assert "has succeeded" in hilir("submit", spec(), "--wait").out


def test_deadline_leaves_the_job_alone(hilir, vertex, spec) -> None:
    path = spec(lambda builder: builder.step("Sleep", "time.sleep(60)"), name="slow")
    done = hilir("submit", path, "--wait", "--deadline", "0.0003", code=4)
    assert "is still running after 0.0003 h and continues; 'hilir jobs show slow-" in done.err
    assert "'hilir jobs cancel slow-" in done.err


def test_missing_bucket_and_project_are_told_before_anything_is_made(hilir, vertex, spec, tmp_path) -> None:
    (vertex.store.buckets / "test-bucket").rmdir()
    done = hilir("submit", spec(), code=3)
    assert "there is no bucket gs://test-bucket; make it with 'gcloud storage buckets create" in done.err
    assert vertex.store.made(CREATE) == []


def test_permission_is_named(hilir, vertex, spec) -> None:
    vertex.store.faults.refuse(CREATE, 403, "PERMISSION_DENIED", "Permission 'aiplatform.pipelineJobs.create' denied.")
    done = hilir("submit", spec(), code=4)
    assert "roles/aiplatform.user" in done.err


def test_wrong_parameter_is_refused_here(hilir, vertex, spec) -> None:
    done = hilir("submit", spec(), "--parameter", "greetings=x", code=3)
    assert "did you mean 'greeting'?" in done.err
    assert vertex.store.requests == []


def _plain(value):
    """Numbers as such, enums by name left alone: what two JSON forms of one message have in common."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key != "failurePolicy"}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
