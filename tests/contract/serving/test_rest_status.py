"""TensorFlow Serving's REST API around the predictions: status, metadata, health, metrics, headers."""

import gzip
import json

import pytest

from tests.contract.serving.rest_errors import error_of

HALF = "half_plus_two"


STATUS = {
    "model_version_status": [
        {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
}


@pytest.mark.parametrize("path", ["", "/versions/123", "/labels/stable", "/labels/nope"])
def test_status(served, path):
    response = served.get(f"/v1/models/{HALF}{path}")
    assert response.json() == STATUS
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("foo", "Could not find any versions of model foo"),
        ("half_plus_two?x=1", "Could not find any versions of model half_plus_two?x=1"),
        ("half_plus_two/versions/9", "Could not find version 9 of model half_plus_two"),
        ("foo/metadata", "Servable not found for request: Latest(foo)"),
    ],
)
def test_status_of_the_unknown(served, path, message):
    response = served.get(f"/v1/models/{path}")
    assert (response.status_code, error_of(response)) == (404, message)


def test_metadata(served):
    body = served.get(f"/v1/models/{HALF}/metadata").json()
    assert body["model_spec"] == {"name": HALF, "signature_name": "", "version": "123"}
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "regress_x_to_y", "classify_x_to_y", "regress_x2_to_y3"}
    assert signatures["serving_default"] == {
        "inputs": {
            "x": {
                "dtype": "DT_FLOAT",
                "name": "x:0",
                "tensor_shape": {
                    "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
                    "unknown_rank": False,
                },
            }
        },
        "outputs": {
            "y": {
                "dtype": "DT_FLOAT",
                "name": "y:0",
                "tensor_shape": {
                    "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
                    "unknown_rank": False,
                },
            }
        },
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def test_gzip_request_and_any_content_type(served):
    body = gzip.compress(json.dumps({"instances": [2.0]}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    assert served.post(f"{HALF}:predict", body, headers=headers).json() == {"predictions": [3.0]}
    assert served.post(f"{HALF}:predict", b"broken", headers=headers).status_code == 400


def test_options_needs_an_origin(served):
    url = f"{served.base}/v1/models/{HALF}:predict"
    with_origin = served.session.options(url, headers={"Origin": "http://example.org"})
    without = served.session.options(url)
    assert (with_origin.status_code, with_origin.content) == (200, b"")
    assert (without.status_code, without.content) == (400, b"")


def test_request_id_comes_back(served):
    mine = served.post(f"{HALF}:predict", {"instances": [1]}, headers={"X-Request-Id": "abc-1"})
    assert mine.headers["X-Request-Id"] == "abc-1"
    other = served.post(f"{HALF}:predict", {"instances": [1]}, headers={"X-Request-Id": "bad value\t"})
    assert other.headers["X-Request-Id"] != "bad value"


def test_metrics(served):
    served.post(f"{HALF}:predict", {"instances": [1]})
    served.post("who:predict", {"instances": [1]})
    page = served.get("/monitoring/prometheus/metrics")
    assert page.headers["Content-Type"] == "text/plain"
    assert "# TYPE :tensorflow:serving:request_count counter" in page.text
    assert ':tensorflow:serving:request_count{model_name="who",status="NOT_FOUND"}' in page.text
    assert (
        ':tensorflow:serving:request_latency_count{model_name="half_plus_two",API="predict",entrypoint="REST"}'
        in page.text
    )
    assert (
        ':tensorflow:serving:runtime_latency_bucket{model_name="half_plus_two",API="Predict",runtime="TF1",'
        in page.text
    )
    assert "hilir:requests" not in page.text
    assert 'hilir_requests{model="half_plus_two",version="123",label="stable",method="predict"' in page.text
    assert 'hilir_label_version{model="half_plus_two",label="stable"} 123' in page.text
    wrong = served.get("/monitoring/prometheus/metrics?x=1")
    assert wrong.status_code == 400
    assert wrong.text == (
        "Unexpected path: /monitoring/prometheus/metrics?x=1. Should be /monitoring/prometheus/metrics"
    )


def test_health(served):
    assert served.get("/healthz").status_code == 200
    assert served.get("/readyz").status_code == 200
