"""The push to Vertex AI, rollback, batch predictions and monitoring, with the real client."""

from __future__ import annotations

import json
import threading

import pytest

from hilir.components.vertex.errors import QuotaRefused, Unreachable, VertexError
from hilir.components.vertex_pusher import endpoint as endpoints
from hilir.components.vertex_pusher import push as push_steps
from hilir.components.vertex_pusher.push import connect, push, roll_back, split_traffic
from hilir.components.vertex_pusher.settings import Target

UPLOAD, DEPLOY, UPDATE = "POST .*/models:upload", "POST .*:deployModel", "PATCH .*/endpoints/"
IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"


@pytest.fixture
def make_target(vertex):
    """Returns a function that makes a target of the server; its arguments change the settings of the push."""
    from tests.contract.vertex.store import PROJECT, REGION

    settings = {
        "enabled": True, "model": None, "endpoint": None, "image": IMAGE, "args": [], "predict_route": None,
        "health_route": None, "port": None, "environment": {}, "machine_type": "n1-standard-4", "min_replicas": 1,
        "max_replicas": 2, "accelerator": None, "accelerators": 1, "traffic": 100, "keep_versions": 2,
        "request_log": None, "service_account": None,
    }  # fmt: skip

    def make(**changes) -> Target:
        return Target.model_validate(
            {
                "project": PROJECT, "region": REGION, "address": vertex.address, "model": "taxi",
                "endpoint": "taxi", "labels": {"team": "taxi"}, "push": settings | changes,
            }
        )  # fmt: skip

    return make


@pytest.fixture
def pushed(vertex, make_target):
    """Returns a function that pushes a version whose files are in the bucket."""

    def run(number: int, **changes):
        folder = vertex.store.buckets / f"test-bucket/models/taxi/{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"")
        target = make_target(**changes)
        return push(connect(target), target, number, f"gs://test-bucket/models/taxi/{number}", f"version {number}")

    return run


def shares(vertex) -> dict[str, int]:
    (endpoint,) = vertex.store.all("endpoints").values()
    names = {deployed.id: deployed.display_name for deployed in endpoint.deployed_models}
    return {names[key]: share for key, share in endpoint.traffic_split.items()}


def versions(vertex) -> dict[str, list[str]]:
    (model,) = vertex.store.all("models").values()
    return {version.version_id: list(version.version_aliases) for version in model}


def test_versions_of_one_model_replace_each_other(vertex, pushed) -> None:
    pushed(1)
    pushed(2)
    assert versions(vertex) == {"1": ["v1"], "2": ["default", "v2"]}
    assert shares(vertex) == {"taxi-v2": 100}
    (endpoint,) = vertex.store.all("endpoints").values()
    assert [deployed.display_name for deployed in endpoint.deployed_models] == ["taxi-v1", "taxi-v2"]
    done = pushed(3)
    assert done.removed == (1,)
    assert versions(vertex) == {"2": ["v2"], "3": ["default", "v3"]}
    assert all(sum(split.values()) == 100 for split in vertex.endpoints.splits if split)


def test_deployed_versions_run_as_an_account_of_their_own(vertex, make_target) -> None:
    steps, serving = "steps@p.iam.gserviceaccount.com", "serving@p.iam.gserviceaccount.com"
    (vertex.store.buckets / "test-bucket/models/taxi").mkdir(parents=True)
    (vertex.store.buckets / "test-bucket/models/taxi/saved_model.pb").write_bytes(b"")
    for number, account in ((1, None), (2, serving)):
        target = make_target(service_account=account).model_copy(update={"service_account": steps})
        push(connect(target), target, number, "gs://test-bucket/models/taxi")
    (endpoint,) = vertex.store.all("endpoints").values()
    assert {deployed.display_name: deployed.service_account for deployed in endpoint.deployed_models} == {
        "taxi-v1": steps, "taxi-v2": serving,
    }  # fmt: skip


def test_share_of_a_new_version(vertex, pushed) -> None:
    pushed(1, traffic=10)
    assert shares(vertex) == {"taxi-v1": 100}, "the first version gets everything"
    pushed(2, traffic=10)
    assert shares(vertex) == {"taxi-v1": 90, "taxi-v2": 10}
    assert versions(vertex)["1"] == ["default", "v1"], "the default is the version with the most traffic"
    done = pushed(3, traffic=10)
    assert shares(vertex) == {"taxi-v1": 81, "taxi-v2": 9, "taxi-v3": 10}
    assert done.removed == (), "a version that gets traffic is not removed, however old"


def test_repeated_push_changes_nothing(vertex, pushed) -> None:
    pushed(1)
    pushed(2, traffic=20)
    before = len(vertex.store.made(f"{UPLOAD}|{DEPLOY}|{UPDATE}"))
    pushed(2, traffic=20)
    pushed(1)
    assert len(vertex.store.made(f"{UPLOAD}|{DEPLOY}|{UPDATE}")) == before
    assert shares(vertex) == {"taxi-v1": 80, "taxi-v2": 20}


def test_rolled_back_version_stays_so_when_pushed_again(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    before, after = roll_back(connect(target), target)
    assert (dict(before.shares), dict(after.shares)) == ({2: 100}, {1: 100})
    assert versions(vertex)["1"] == ["default", "v1"]
    pushed(2)
    assert shares(vertex) == {"taxi-v1": 100}
    with pytest.raises(ValueError, match="no older version"):
        roll_back(connect(target), target)


def on_endpoint(vertex) -> list[str]:
    (endpoint,) = vertex.store.all("endpoints").values()
    return sorted(deployed.display_name for deployed in endpoint.deployed_models)


def test_known_good_version_outlives_pushes_and_rollbacks(vertex, pushed, make_target) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    roll_back(connect(target), target)
    assert pushed(3).removed == (2,), "what was rolled back goes, what served stays"
    assert on_endpoint(vertex) == ["taxi-v1", "taxi-v3"]
    assert sorted(versions(vertex)) == ["1", "3"]
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}
    assert pushed(4).removed == (3,)
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}
    assert all(sum(split.values()) == 100 for split in vertex.endpoints.splits if split)


def test_rolled_back_version_is_not_gone_back_to(vertex, pushed, make_target) -> None:
    target = make_target()
    for number in (1, 2, 3):
        pushed(number, keep_versions=4)
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v2": 100}
    pushed(4, keep_versions=4)
    for expected in ("taxi-v2", "taxi-v1"):
        roll_back(connect(target), target)
        assert shares(vertex) == {expected: 100}, "v3 was rolled back"
    pushed(5, keep_versions=4)
    split_traffic(connect(target), target, {3: 100})
    assert vertex.store.made(UPDATE)[-1]["labels"]["hilir-rolled-back"] == "4_2", (
        "traffic makes v3 a good version again"
    )


def test_why_there_is_nothing_to_roll_back_to(vertex, hilir, pushed, make_target, config) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    roll_back(connect(target), target)
    pushed(3, keep_versions=3)
    endpoints.undeploy(connect(target), target, 1)
    told = hilir("vertex", "rollback", *config, code=4).err
    assert "no older version on the endpoint to roll back to but v2, which was rolled back itself; 'hilir" in told
    assert shares(vertex) == {"taxi-v3": 100}


def test_traffic_moved_by_hand_is_what_the_next_rollback_goes_to(vertex, pushed, make_target) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    split_traffic(connect(target), target, {1: 100})
    assert pushed(3).removed == (), "v1 served before, and v2 is one of the newest two"
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
def test_rollback_over_a_bad_network_is_remembered_once(vertex, pushed, make_target, kind) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    vertex.store.faults.add(UPDATE, kind)
    roll_back(connect(target), target)
    (endpoint,) = vertex.store.all("endpoints").values()
    assert shares(vertex) == {"taxi-v1": 100}
    assert dict(endpoint.labels) == {
        "team": "taxi", "hilir-version": "2", "hilir-previous": "1", "hilir-rolled-back": "2",
    }  # fmt: skip


def test_endpoint_with_a_number_is_not_made_here(vertex, pushed, make_target) -> None:
    target = make_target().model_copy(update={"endpoint": "4711"})
    with pytest.raises(VertexError, match="there is no endpoint 4711 in europe-west4 of test-project"):
        endpoints.ensure(connect(target), target)
    assert vertex.store.all("endpoints") == {}


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
@pytest.mark.parametrize("request_", [UPLOAD, "POST .*/endpoints$", DEPLOY, UPDATE, "mergeVersionAliases"])
def test_bad_network_makes_nothing_twice(vertex, pushed, request_, kind) -> None:
    pushed(1) if "merge" in request_ else None
    vertex.store.faults.add(request_, kind)
    pushed(2)
    assert shares(vertex) == {"taxi-v2": 100}
    assert len(vertex.store.all("endpoints")) == 1
    assert [aliases for aliases in versions(vertex).values() if "v2" in aliases] == [["default", "v2"]]


@pytest.mark.parametrize("request_", [UPLOAD, "POST .*/endpoints$", DEPLOY])
def test_operation_whose_start_was_not_answered_is_waited_for(vertex, pushed, request_) -> None:
    pushed(1) if "endpoints$" not in request_ else None
    vertex.store.faults.add(request_, "drop after", polls=3)
    pushed(2)
    assert shares(vertex) == {"taxi-v2": 100}
    assert len([aliases for aliases in versions(vertex).values() if "v1" not in aliases]) == 1
    paths = [path for method, path, _ in vertex.store.requests if path.endswith((":upload", ":deployModel"))]
    assert len(paths) == (2 if "endpoints$" in request_ else 4), "nothing was sent a second time"


@pytest.mark.parametrize("request_", [UPLOAD, DEPLOY, UPDATE, "mergeVersionAliases"])
def test_push_goes_on_where_it_stopped(vertex, pushed, request_) -> None:
    pushed(1)
    pushed(2)
    vertex.store.faults.refuse(request_, 403, "PERMISSION_DENIED", "Denied.")
    with pytest.raises(VertexError, match=r"Denied; the account needs roles/aiplatform\.user"):
        pushed(3)
    assert sum(shares(vertex).values()) == 100
    pushed(3)
    assert shares(vertex) == {"taxi-v3": 100}
    assert sorted(versions(vertex)) == ["2", "3"]
    assert len(vertex.store.made(UPLOAD)) == 3


@pytest.mark.parametrize("request_", ["undeployModel", "deleteVersion", "GET .*:listVersions"])
def test_push_that_cannot_clean_up_has_succeeded(vertex, pushed, caplog, request_) -> None:
    pushed(1)
    pushed(2)
    vertex.store.faults.refuse(request_, 403, "PERMISSION_DENIED", "Denied.")
    assert pushed(3).removed == ()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("v3 serves, but" if "list" in request_ else "v1 is too old, but stays: could not ")
    assert "Denied; the account needs roles/aiplatform.user" in warning
    assert shares(vertex) == {"taxi-v3": 100}
    assert pushed(3).removed == (1,), "the next push tries it again"
    assert sorted(versions(vertex)) == ["2", "3"]
    assert len(vertex.store.made(UPLOAD)) == 3


def test_version_that_another_endpoint_serves_stays(vertex, pushed, make_target, caplog) -> None:
    pushed(1)
    elsewhere = make_target().model_copy(update={"endpoint": "abroad"})
    push(connect(elsewhere), elsewhere, 1, "gs://test-bucket/models/taxi/1")
    pushed(2)
    done = pushed(3)
    assert (done.shares, done.removed) == ({3: 100}, ())
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("v1 is too old, but stays: could not remove v1 of the model taxi")
    assert "deployed on projects/123456789012/locations/europe-west4/endpoints/abroad" in warning
    assert versions(vertex)["1"] == ["v1"]


def test_slow_operations_are_waited_for(vertex, pushed) -> None:
    for request in (UPLOAD, DEPLOY):
        vertex.store.faults.add(request, "slow operation", polls=4)
    vertex.store.faults.refuse("GET .*/operations/", 503, "UNAVAILABLE", "Try again.")
    pushed(1)
    assert shares(vertex) == {"taxi-v1": 100}


def test_quota_of_the_endpoint_leaves_the_old_version_serving(vertex, pushed) -> None:
    from tests.contract.vertex.faults import ApiError

    pushed(1)
    quota = ApiError(429, "RESOURCE_EXHAUSTED", "The following quotas are exceeded: CustomModelServingCPUsPerProject")
    vertex.store.faults.add(DEPLOY, "failed operation", error=quota)
    with pytest.raises(QuotaRefused, match=r"could not deploy v2 of taxi on the endpoint taxi: .*exceeded: .*fewer or"):
        pushed(2)
    assert shares(vertex) == {"taxi-v1": 100}


def test_operation_without_end_is_left_to_go_on(vertex, pushed, make_target) -> None:
    from hilir.components.vertex import retry as call

    target = make_target()
    connection = connect(target)
    vertex.store.faults.add("POST .*/endpoints$", "slow operation", polls=1000)
    started = connection.client("endpoints").create_endpoint(parent=connection.parent, endpoint={"display_name": "x"})
    with pytest.raises(Unreachable, match=r"still goes on after 1 s .*repeat the command later"):
        call.wait_for(connection, "endpoints", "make the endpoint x", started, seconds=1)


def test_two_changes_at_a_time_both_take_place(vertex, pushed, make_target) -> None:
    pushed(1)
    target = make_target()
    connection = connect(target)
    once = threading.Event()

    def change(now):
        if not once.is_set():
            once.set()
            # Someone else changes the endpoint between our reading and writing.
            endpoints.set_traffic(connect(target), target, lambda other: dict(other.split), lambda _: {"team": "other"})
        return dict(now.split)

    after = endpoints.set_traffic(connection, target, change, lambda _: {"mine": "yes"})
    assert dict(after.labels) | {"team": "other", "mine": "yes"} == dict(after.labels)


def test_split_that_is_no_split_is_never_sent(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target, sent = make_target(), len(vertex.store.made(UPDATE))
    with pytest.raises(ValueError, match="sum to 100"):
        split_traffic(connect(target), target, {1: 50, 2: 49})
    with pytest.raises(ValueError, match="v7 is not deployed; there is v2, v1"):
        split_traffic(connect(target), target, {7: 100})
    assert len(vertex.store.made(UPDATE)) == sent


@pytest.fixture
def guest(vertex):
    """Returns a function that puts another model on the endpoint."""

    def deploy(share: int) -> None:
        (endpoint,) = vertex.store.all("endpoints").values()
        name = "projects/1/locations/europe-west4/models/guest"
        endpoint.deployed_models.add(id="77", display_name="guest-v1", model=name)
        if share:
            endpoint.traffic_split.update({next(iter(endpoint.traffic_split)): 100 - share, "77": share})

    return deploy


@pytest.mark.parametrize("share", [0, 40])
def test_endpoint_that_serves_another_model_is_refused(vertex, pushed, make_target, guest, share) -> None:
    pushed(1)
    guest(share)
    before, sent = shares(vertex), len(vertex.store.made("^(POST|PATCH|DELETE)"))
    told = (
        "the endpoint taxi serves another model already (guest), and the requests would be divided between it and "
        "taxi; no traffic was moved; give taxi an endpoint of its own as vertex.push.endpoint, or take the other model "
        "off this one with 'gcloud ai endpoints undeploy-model'"
    )
    target = make_target()
    for change in (lambda: pushed(2, traffic=50), lambda: split_traffic(connect(target), target, {1: 100})):
        with pytest.raises(VertexError) as caught:
            change()
        assert str(caught.value) == told
    assert shares(vertex) == before
    assert len(vertex.store.made("^(POST|PATCH|DELETE)")) == sent, "nothing was changed, in the registry neither"


def test_another_model_that_comes_during_a_push_is_noticed(vertex, pushed, guest, monkeypatch) -> None:
    pushed(1)
    ensure = push_steps.registry.ensure_version
    monkeypatch.setattr(push_steps.registry, "ensure_version", lambda *arguments: (guest(40), ensure(*arguments))[1])
    with pytest.raises(VertexError, match="serves another model already"):
        pushed(2)
    assert shares(vertex) == {"taxi-v1": 60, "guest-v1": 40}


def test_rollback_leaves_the_share_of_another_model(vertex, pushed, make_target, guest) -> None:
    pushed(1)
    pushed(2)
    guest(40)
    target = make_target()
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 60, "guest-v1": 40}


def test_endpoint_of_a_model_that_is_gone_can_be_used_again(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    roll_back(connect(target), target)
    (endpoint,) = vertex.store.all("endpoints").values()
    endpoint.ClearField("deployed_models")
    endpoint.ClearField("traffic_split")
    other = make_target().model_copy(update={"model": "digits"})
    done = push(connect(other), other, 1, "gs://test-bucket/models/taxi/1")
    assert done.shares == {1: 100}, "what the labels tell is not of this model"
    assert dict(endpoint.labels) == {"team": "taxi", "hilir-version": "1"}


@pytest.fixture
def config(tmp_path) -> tuple[str, ...]:
    """The taxi configuration with an overlay for the server."""
    path = tmp_path / "overlay.yaml"
    path.write_text(
        "schema: {path: gs://test-bucket/schemas/taxi.pbtxt}\n"
        "vertex:\n"
        "  bucket: test-bucket\n"
        "  batch: {source: [gs://test-bucket/new/*.jsonl]}\n"
        "  monitoring: {baseline: gs://test-bucket/data/train.csv, emails: [a@example.com], features: [fare]}\n"
    )
    return "configs/taxi.yaml", "--overlay", str(path)


def test_commands_show_split_and_roll_back(vertex, hilir, pushed, config) -> None:
    pushed(1)
    pushed(2)
    assert hilir("vertex", "traffic", *config, "2=30", "1=70").out == "v2 30 %, v1 70 %\n"
    shown = hilir("vertex", "show", *config).out.splitlines()[1:]
    assert [line.split()[0] for line in shown] == ["v2", "v1"]
    assert hilir("vertex", "rollback", *config).out == "before: v2 30 %, v1 70 %\nnow:    v1 100 %\n"
    assert "no older version" in hilir("vertex", "rollback", *config, code=4).err
    assert "sum to 90" in hilir("vertex", "traffic", *config, "2=30", "1=60", code=2).err


def test_missing_endpoint_is_a_sentence(vertex, hilir, config) -> None:
    assert "there is no endpoint taxi in europe-west4 of test-project" in hilir("vertex", "show", *config, code=4).err


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
def test_batch_prediction_is_made_once(vertex, hilir, pushed, config, kind) -> None:
    pushed(1)
    vertex.store.faults.add("POST .*/batchPredictionJobs", kind)
    assert "created the batch prediction" in hilir("vertex", "batch-predict", *config, "--version", "1").out
    (job,) = vertex.store.all("batchPredictionJobs").values()
    assert job.model.endswith("/models/taxi@v1")
    assert list(job.input_config.gcs_source.uris) == ["gs://test-bucket/new/*.jsonl"]
    assert job.output_config.gcs_destination.output_uri_prefix == "gs://test-bucket/predictions/taxi"
    assert "not found" in hilir("vertex", "batch-predict", *config, "--version", "9", code=4).err
    printed = json.loads(hilir("vertex", "batch-predict", *config, "--dry-run").out)
    assert printed["dedicatedResources"]["maxReplicaCount"] == 4


LOG = {"table": "bq://test-project.logs.taxi", "sampling": 0.5}


def test_endpoint_without_a_log_is_not_monitored(vertex, hilir, pushed, config) -> None:
    pushed(1)
    told = (
        "the endpoint taxi logs no requests, so there is nothing to analyse; name a table in vertex.push.request_log "
        "and let a run push a version, or set the variable request_log of deploy/vertex if Terraform made the endpoint"
    )
    assert told in hilir("vertex", "monitor", *config, code=4).err
    assert vertex.store.all("modelMonitors") == {}


def test_requests_are_logged_from_the_push_on_that_asks_for_it(vertex, pushed) -> None:
    pushed(1)
    pushed(2, request_log=LOG)
    (endpoint,) = vertex.store.all("endpoints").values()
    log = endpoint.predict_request_response_logging_config
    assert (log.enabled, log.sampling_rate, log.bigquery_destination.output_uri) == (True, 0.5, LOG["table"])
    before = len(vertex.store.made(UPDATE))
    pushed(2, request_log=LOG | {"sampling": 0.1})
    assert len(vertex.store.made(UPDATE)) == before, "one that logs stays as it is"
    assert shares(vertex) == {"taxi-v2": 100}


def test_monitor_is_made_then_updated(vertex, hilir, pushed, config) -> None:
    from pathlib import Path

    schemas = vertex.store.buckets / "test-bucket/schemas"
    schemas.mkdir()
    (schemas / "taxi.pbtxt").write_text(Path("configs/schemas/taxi.pbtxt").read_text())
    pushed(1, request_log=LOG)
    vertex.store.faults.add("POST .*/modelMonitors$", "drop after")
    for _ in range(2):
        assert "analysis projects/" in hilir("vertex", "monitor", *config).out
    (monitor,) = vertex.store.all("modelMonitors").values()
    fields = {field.name: field.data_type for field in monitor.model_monitoring_schema.feature_fields}
    assert fields["fare"] == "float"
    assert fields["payment_type"] == "categorical"
    assert "tips" not in fields
    assert len(vertex.store.all("analyses")) == 2
    cron = ("--set", "vertex.monitoring.cron=0 6 * * *")
    for _ in range(2):
        assert "/schedules/" in hilir("vertex", "monitor", *config, *cron).out
    (schedule,) = vertex.store.all("schedules").values()
    objective = schedule.create_model_monitoring_job_request.model_monitoring_job.model_monitoring_spec.objective_spec
    assert list(objective.tabular_objective.feature_drift_spec.features) == ["fare"]
    assert objective.target_dataset.vertex_endpoint_logs.endpoints[0].endswith("/endpoints/taxi")
