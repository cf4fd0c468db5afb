"""Requests joined into batches give the answers they give alone, and never fail one another."""

import concurrent.futures

import pytest

from hilir.serving.errors import ServingConfigError
from tests.integration.serving.server_process import running


def together(client, path, bodies):
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: client.post(path, body), bodies))


@pytest.fixture(scope="module")
def batched(models, tmp_path_factory):
    parameters = tmp_path_factory.mktemp("batch") / "batching.config"
    parameters.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 20000 } max_enqueued_batches { value: 4 } "
        "num_batch_threads { value: 2 } allowed_batch_sizes: [2, 4, 8]"
    )
    config = parameters.with_name("models.config")
    config.write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}'
            for name in ("shapes", "digits", "half_plus_two")
        )
        + "}"
    )
    with running(
        model_config_file=str(config), enable_batching=True, batching_parameters_file=str(parameters)
    ) as client:
        yield client


def test_same_answers_as_alone(batched):
    bodies = [{"signature_name": "slow", "instances": [1] * (1 + i % 3)} for i in range(12)]
    for body, response in zip(bodies, together(batched, "shapes:predict", bodies), strict=True):
        assert response.status_code == 200, response.text
        assert [row["n"] for row in response.json()["predictions"]] == body["instances"]


def test_a_bad_request_does_not_fail_its_neighbours(batched):
    good, wide = [[1, 2, 3, 4]], [[1, 2]]
    bodies = [{"signature_name": "matrix", "instances": wide if i % 4 == 0 else good} for i in range(16)]
    for index, response in enumerate(together(batched, "shapes:predict", bodies)):
        if index % 4 == 0:
            assert response.status_code == 400
            assert "Matrix size-incompatible" in response.json()["error"]
        else:
            assert response.json() == {"predictions": [[10.0, 10.0]]}


def test_too_large_for_a_batch(batched):
    response = batched.post("half_plus_two:predict", {"instances": list(range(9))})
    assert response.status_code == 400
    assert response.json()["error"] == "Task size 9 is larger than maximum batch size 8"


def test_outputs_without_rows_are_run_alone(batched):
    body = {"signature_name": "total", "inputs": [1.0, 2.0]}
    assert [r.json() for r in together(batched, "shapes:predict", [body] * 4)] == [{"outputs": 3.0}] * 4


def test_a_full_queue_is_unavailable(batched):
    bodies = [{"signature_name": "slow", "instances": [20] * 8} for _ in range(12)]
    codes = sorted(response.status_code for response in together(batched, "shapes:predict", bodies))
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 4


def test_metrics_of_batches(batched):
    page = batched.get("/metrics").text
    assert ":tensorflow:serving:batching_session:wrapped_run_count{} " in page
    assert ':tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name="batch_threads"}' in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("allowed_batch_sizes: [4, 2]", "monotonically increasing"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]", "must match max_batch_size"),
        ("max_batch_size: 8", "Error parsing text-format tensorflow.serving.BatchingParameters"),
    ],
)
def test_wrong_parameters(models, tmp_path, text, message):
    file = tmp_path / "batching.config"
    file.write_text(text)
    with (
        pytest.raises(ServingConfigError, match=message),
        running(model_base_path=str(models / "digits"), enable_batching=True, batching_parameters_file=str(file)),
    ):
        pass


def test_parameters_without_batching(models):
    with (
        pytest.raises(ServingConfigError, match="without --enable_batching"),
        running(model_base_path=str(models / "digits"), batching_parameters_file="x"),
    ):
        pass
