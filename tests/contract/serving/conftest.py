"""Models for the server's tests, made once."""

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A directory of model base paths: half_plus_two (123, 124), half_plus_three, shapes, digits, broken."""
    from tests.integration.serving import saved_models

    return saved_models.write_all(tmp_path_factory.mktemp("models"))


def serve(models, folder, **more):
    """A server with half_plus_two (label `stable`), half_plus_three and shapes."""
    from tests.integration.serving.server_process import running

    config = folder / "models.config"
    entries = [
        ("half_plus_two", 'version_labels { key: "stable" value: 123 }'),
        ("half_plus_three", ""),
        ("shapes", ""),
    ]
    config.write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" {more} }}'
            for name, more in entries
        )
        + "}"
    )
    monitoring = config.with_name("monitoring.config")
    monitoring.write_text("prometheus_config { enable: true }")
    return running(
        model_config_file=str(config),
        allow_version_labels_for_unavailable_models=True,
        monitoring_config_file=str(monitoring),
        enable_grpc_healthcheck_service=True,
        **more,
    )


@pytest.fixture(scope="session")
def served(models, tmp_path_factory):
    """The server that most cases ask."""
    with serve(models, tmp_path_factory.mktemp("config")) as client:
        yield client


@pytest.fixture(scope="session")
def served_by_aio(models, tmp_path_factory):
    """The same on grpc.aio, the fallback."""
    with serve(models, tmp_path_factory.mktemp("config"), grpc_core=False) as client:
        yield client


@pytest.fixture(scope="module", params=["served", "served_by_aio"], ids=["core", "aio"])
def grpc_served(request):
    """Both gRPC servers, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def stub(grpc_served):
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc_served.channel() as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_stub(grpc_served):
    from tensorflow_serving.apis import model_service_pb2_grpc

    with grpc_served.channel() as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)
