"""Versions come and go while the server serves (server_core_test.cc, file_system_storage_path_source_test.cc)."""

import shutil
import threading

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.errors import ServingStartError
from tests.integration.serving.server.versions import predicts, publish, states
from tests.integration.serving.server_process import running, wait_until


def reload(client, text, metrics=()):
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    request = model_management_pb2.ReloadConfigRequest(config=config, metric_names=metrics)
    with client.channel() as channel:
        return model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=20)


def entry(name, path, more="", platform='model_platform: "tensorflow"'):
    return f'config {{ name: "{name}" base_path: "{path}" {platform} {more} }}'


def config_list(*entries):
    return f"model_config_list {{ {' '.join(entries)} }}"


def test_a_new_version_replaces_the_old_without_a_failed_request(models, base):
    with running(model_base_path=str(base)) as client:
        failures, done = [], threading.Event()

        def ask():
            while not done.is_set():
                response = predicts(client)
                if response.status_code != 200:
                    failures.append(response.text)

        asking = threading.Thread(target=ask)
        asking.start()
        publish(models, base, 2, "half_plus_three")
        wait_until(lambda: states(client) == {1: "END", 2: "AVAILABLE"})
        done.set()
        asking.join()
        assert not failures
        assert predicts(client).json() == {"predictions": [4.0]}
        assert predicts(client, "default/versions/1").status_code == 404


def test_other_names_are_no_versions(models, base):
    (base / "tmp-2").mkdir()
    (base / "notes.txt").write_text("x")
    (base / "99").write_text("a file, no directory")
    publish(models, base, 7)
    with running(model_base_path=str(base)) as client:
        assert states(client) == {7: "AVAILABLE"}


def test_a_failed_load_leaves_the_old_version_and_is_tried_again_when_repaired(models, base):
    with running(model_base_path=str(base), max_num_load_retries=0) as client:
        staged = base.parent / "staged"
        staged.mkdir()
        (staged / "saved_model.pb").write_bytes(b"nonsense")
        staged.rename(base / "2")
        wait_until(lambda: states(client).get(2) == "END")
        (failed,) = client.get("/v1/models/default/versions/2").json()["model_version_status"]
        assert failed["status"]["error_code"] != "OK"
        assert failed["status"]["error_message"]
        assert predicts(client).json() == {"predictions": [3.0]}
        shutil.rmtree(base / "2")
        publish(models, base, 2)
        wait_until(lambda: states(client).get(2) == "AVAILABLE")


def test_polling_once(models, base):
    polls = {"model_base_path": str(base), "file_system_poll_wait_seconds": 1}
    with running(**polls) as polling, running(**polls | {"file_system_poll_wait_seconds": 0}) as client:
        for version in (2, 3):
            publish(models, base, version)
            wait_until(lambda version=version: states(polling).get(version) == "AVAILABLE")
        assert states(client) == {1: "AVAILABLE"}


def test_policies_and_labels_by_file(models, base, tmp_path, caplog):
    for version in (2, 3):
        publish(models, base, version)
    file = tmp_path / "models.config"
    specific = "model_version_policy { specific { versions: 1 versions: 3 } }"
    file.write_text(config_list(entry("m", base, specific), entry("all", base, "model_version_policy { all {} }")))
    with running(model_config_file=str(file), model_config_file_poll_wait_seconds=1) as client:
        assert client.server.core.is_ready()
        wait_until(lambda: states(client, "m") == {1: "AVAILABLE", 3: "AVAILABLE"})
        wait_until(lambda: states(client, "all") == dict.fromkeys((1, 2, 3), "AVAILABLE"))
        assert predicts(client, "m/labels/stable").status_code == 400
        labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "candidate" value: 3 }'
        file.write_text(config_list(entry("m", base, specific + labels)))
        wait_until(lambda: predicts(client, "m/labels/candidate").status_code == 200)
        answer = predicts(client, "m/labels/stable")
        assert (answer.headers["X-Model-Version"], answer.headers["X-Model-Label"]) == ("1", "stable")
        wait_until(lambda: predicts(client, "all").status_code == 404)
        file.write_text("model_config_list { nonsense")
        wait_until(lambda: "the model configuration can't be applied" in caplog.text)
        assert predicts(client, "m/labels/stable").status_code == 200


def test_labels_need_an_available_version(models, base):
    publish(models, base, 2)
    specific = "model_version_policy { specific { versions: 1 versions: 2 } }"
    with running(model_base_path=str(base), model_name="m") as client:
        reload(client, config_list(entry("m", base, specific)))
        wait_until(lambda: states(client, "m").get(1) == "AVAILABLE")
        reload(client, config_list(entry("m", base, specific + 'version_labels { key: "stable" value: 1 }')))
        with pytest.raises(grpc.RpcError) as caught:
            reload(client, config_list(entry("m", base, specific + 'version_labels { key: "stable" value: 9 }')))
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert caught.value.details() == (
            "Request to assign label to version 9 of model m, which is not currently available for inference"
        )
        assert predicts(client, "m/labels/stable").status_code == 200


def test_labels_of_unavailable_versions_if_allowed(base):
    text = 'version_labels { key: "next" value: 9 }'
    with running(model_base_path=str(base), model_name="m", allow_version_labels_for_unavailable_models=True) as client:
        reload(client, config_list(entry("m", base, text)))
        response = predicts(client, "m/labels/next")
        assert (response.status_code, response.json()["error"]) == (
            404,
            "Servable not found for request: Specific(m, 9)",
        )
        reload(client, config_list(entry("m", base, 'version_labels { key: "next" value: 1 }')))
        with pytest.raises(grpc.RpcError) as caught:
            reload(client, config_list(entry("m", base, text)))
        assert "not currently available for inference" in caught.value.details()


def test_reload_by_rpc(models, base):
    with running(model_base_path=str(base), model_name="m") as client:
        metric = "/tensorflow/cc/saved_model/load_attempt_count"
        response = reload(client, config_list(entry("m", base), entry("three", models / "half_plus_three")), [metric])
        assert response.status.error_code == 0
        assert [m.name for m in response.metric] == [metric]
        # The new model is there as soon as the call returns.
        assert predicts(client, "three").json() == {"predictions": [4.0]}
        reload(client, config_list(entry("three", models / "half_plus_three")))
        wait_until(lambda: predicts(client, "m").status_code == 404)
        wait_until(lambda: states(client, "m") == {1: "END"})
        reload(client, config_list(entry("m", base)))
        assert predicts(client, "m").status_code == 200


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("m", "/x"), entry("m", "/y")], "Illegal to list model m multiple times in config list"),
        (
            [entry("m", "relative/path")],
            "Expected model m to have an absolute path or URI; got base_path()=relative/path",
        ),
        ([entry("n", "/x", platform="")], "Illegal setting neither ModelServerConfig::model_type (deprecated) "),
        ([entry("n", "/x", platform='model_platform: "jax"')], "Model n requests unsupported platform jax"),
        ([entry("m", "/x", platform='model_platform: "jax"')], "Illegal to change a model's platform"),
        (
            [entry("n", "/x", platform='model_platform: "tensorflow" model_type: TENSORFLOW')],
            "Illegal setting both ModelServerConfig::model_type (deprecated) ",
        ),
    ],
)
def test_refused_configurations_change_nothing(base, entries, message):
    with running(model_base_path=str(base), model_name="m") as client:
        with pytest.raises(grpc.RpcError) as caught:
            reload(client, config_list(*entries))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert message in caught.value.details()
        assert predicts(client, "m").status_code == 200


def test_a_new_model_that_does_not_load_fails_the_call(models, base):
    with running(model_base_path=str(base), model_name="m", max_num_load_retries=0) as client:
        with pytest.raises(grpc.RpcError) as caught:
            reload(client, config_list(entry("m", base), entry("bad", models / "broken")))
        assert caught.value.code() is grpc.StatusCode.UNKNOWN
        assert "1 model(s) did not become available: {" in caught.value.details()
        assert predicts(client, "m").status_code == 200


def test_a_model_that_does_not_load_at_the_start_ends_the_server(models):
    with (
        pytest.raises(ServingStartError, match=r"1 servable\(s\) did not become available"),
        running(model_base_path=str(models / "broken"), max_num_load_retries=0),
    ):
        pass


def test_without_flags_the_projects_models_are_served(models, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ServingStartError, match="no model version"), running(root=str(root)):
        pass
    for model in ("half_plus_two", "broken"):
        shutil.copytree(models / model, root / model)
    with running(root=str(root)) as client:
        assert any("Some models are not served" in line for line in client.said)
        assert predicts(client, "half_plus_two").status_code == 200
        assert client.get("/monitoring/prometheus/metrics").status_code == 200
        shutil.copytree(models / "half_plus_three", root / "half_plus_three")
        wait_until(lambda: predicts(client, "half_plus_three").status_code == 200)
        (root / "models.config").write_text(
            config_list(entry("half_plus_two", root / "half_plus_two", 'version_labels { key: "stable" value: 123 }'))
        )
        wait_until(lambda: predicts(client, "half_plus_two/labels/stable").status_code == 200)
        # What was pushed after the file was written is served, too.
        assert predicts(client, "half_plus_three").status_code == 200


def test_base_paths_outside_the_root_are_refused(models, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(models / "half_plus_two", root / "half_plus_two")
    (root / "link").symlink_to(models / "half_plus_three")
    with running(root=str(root)) as client:
        for path in (models / "half_plus_three", root / ".." / "x", root / "link"):
            with pytest.raises(grpc.RpcError) as caught:
                reload(client, config_list(entry("m", path)))
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert predicts(client, "half_plus_two").status_code == 200
