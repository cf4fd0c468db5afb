"""Models for the server's tests, made once."""

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A directory of model base paths: half_plus_two (123, 124), half_plus_three, shapes, digits, broken."""
    from tests.integration.serving import saved_models

    return saved_models.write_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def served(models, tmp_path_factory):
    """One server with half_plus_two (label `stable`), half_plus_three and shapes."""
    from tests.integration.serving.server_process import running

    config = tmp_path_factory.mktemp("config") / "models.config"
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
    with running(
        model_config_file=str(config),
        allow_version_labels_for_unavailable_models=True,
        monitoring_config_file=str(monitoring),
        enable_grpc_healthcheck_service=True,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def stub(served):
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with served.channel() as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_stub(served):
    from tensorflow_serving.apis import model_service_pb2_grpc

    with served.channel() as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)
