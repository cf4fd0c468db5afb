"""TensorFlow Serving's REST API, case by case (http_rest_api_handler_test.cc, tensorflow_model_server_test.py)."""

import pytest

from tests.contract.serving.rest_errors import error_of

HALF = "half_plus_two"
BIG = 2**64 - 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("GET", "/v1/models/debug/model_name"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/foo:predict"),
        ("GET", "/v1/models/foo/version/50:predict"),
        ("POST", "/v1/models/foo/version/50:regress"),
        ("POST", "/v1/models/foo/versions/HELLO:regress"),
        ("POST", "/v1/models/foo/metadata"),
        ("POST", "/v1/models/foo/label/some_label:regress"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"),
        ("POST", "/v1/models/foo/versions/some_label:regress"),
        ("POST", "/v1/models/half_plus_two:predict?x=1"),
        ("POST", "/v1/models/half_plus_two:PREDICT"),
        ("PUT", "/v1/models/half_plus_two:predict"),
        ("DELETE", "/v1/models/half_plus_two"),
    ],
)
def test_malformed_requests(served, method, path):
    response = served.session.request(method, served.base + path, data="{}")
    assert response.status_code == 400
    assert error_of(response) == f"Malformed request: {method} {path}"


def test_version_beyond_64_bits_has_an_empty_body(served):
    response = served.post(f"foo/versions/{BIG}:regress", "")
    assert (response.status_code, response.content) == (400, b"")
    assert served.post(f"foo/versions/{'9' * 5000}:regress", "").status_code == 400


def test_missing_model_name(served):
    response = served.get("/v1/models")
    assert (response.status_code, error_of(response)) == (400, "Missing model name in request.")


def test_outside_the_api_is_libevents_page(served):
    response = served.get("/statuspage")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html"
    assert "<H1>Not Found</H1>" in response.text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("foo:predict", "Servable not found for request: Latest(foo)"),
        ("foo/versions/50:predict", "Servable not found for request: Specific(foo, 50)"),
        ("half_plus_two/versions/99:predict", "Servable not found for request: Specific(half_plus_two, 99)"),
        ("half%2Fplus:predict", "Servable not found for request: Latest(half/plus)"),
    ],
)
def test_unknown_servables(served, path, message):
    response = served.post(path, {"instances": [1]})
    assert (response.status_code, error_of(response)) == (404, message)


@pytest.mark.parametrize("model", [HALF, "foo"])
def test_unknown_label_is_a_bad_request(served, model):
    response = served.post(f"{model}/labels/nope:predict", {"instances": ["x"]})
    assert (response.status_code, error_of(response)) == (400, "Unrecognized servable version label: nope")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", "JSON Parse error: Invalid value."),
        ('{"instances": ["x", "y"]}', "not of expected type: float"),
        ('{"signature_name": 100}', "'signature_name' key must be a string value."),
        ("[1]", "JSON Value: [1] Is not object"),
        ('{"instances": [1], "inputs": [1]}', "expecting only one of 'inputs' or 'instances' keys to exist"),
        ('{"instances": {"x": 1}}', "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"x": []}', "Missing 'inputs' or 'instances' key"),
        ('{"instances": [[1, 2], [3]]}', "Expecting tensor size: 2 but got: 1"),
        ('{"instances": [[1, 2], [[3, 4]]]}', "Expecting shape [2] but got: [1,2]"),
        ('{"instances": [1, {"x": 1}]}', "Expecting value/list but got object at item 1 of input list"),
        ('{"instances": [{"x": 1}, 1]}', "Expecting object but got list at item 1 of input list"),
        ('{"instances": [{"z": 1}]}', "JSON object: does not have named input: z"),
        ('{"inputs": {"z": 1}}', "Missing named input: x in 'inputs' object."),
        ('{"inputs": [[1, 2], [3]]}', "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ('{"instances": [null]}', "Type: Null is not of expected type: float"),
        ('{"signature_name": "nope", "instances": [1]}', 'Serving signature name: "nope" not found in signature def'),
    ],
)
def test_predict_errors(served, body, message):
    response = served.post(f"{HALF}:predict", body)
    assert response.status_code == 400
    assert message in error_of(response)


def test_bad_json_beats_unknown_model(served):
    assert served.post("foo:predict", "{").status_code == 400
    assert served.post("foo:classify", '{"examples": []}').status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        (":predict", {"instances": [[1.0, 2.0], [3.0, 4.0]]}, {"predictions": [[2.5, 3.0], [3.5, 4.0]]}),
        ("/versions/123:predict", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
        ("/labels/stable:predict", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
        (":predict", {"signature_name": "serving_default", "inputs": [3.0, 4.0]}, {"outputs": [3.5, 4.0]}),
        (":predict", {"inputs": 2.0}, {"outputs": 3.0}),
        (":predict", {"inputs": {"x": [[2]], "ignored": 1}}, {"outputs": [[3.0]]}),
        (":predict", {"instances": [{"x": 2.0}]}, {"predictions": [3.0]}),
        (":regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}, {"results": [42.0]}),
        (":classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}, {"results": [[["", 12.0]]]}),
        (
            "/labels/stable:classify",
            {"signature_name": "classify_x_to_y", "context": {"x": 10.0}, "examples": [{}, {"x": 20.0}]},
            {"results": [[["", 7.0]], [["", 12.0]]]},
        ),
    ],
)
def test_answers(served, path, body, answer):
    response = served.post(HALF + path, body)
    assert response.status_code == 200, response.text
    assert response.json() == answer
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Model-Version"] == "123"
    assert response.headers["X-Model-Label"] == "stable"


def test_layout_is_tensorflow_servings(served):
    assert served.post(f"{HALF}:predict", {"instances": [1, 2, 5]}).text == (
        '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'
    )
    assert served.post(f"{HALF}:predict", {"inputs": [1, 2]}).text == (
        '{\n    "outputs": [\n        2.5,\n        3.0\n    ]\n}'
    )


def test_signatures_of_other_kinds(served):
    regress = served.post(f"{HALF}:regress", {"signature_name": "regress_x2_to_y3", "examples": [{"x2": 1.0}]})
    assert (regress.status_code, error_of(regress)) == (
        400,
        "Expects arg[0] to be float but string is provided",
    )
    missing = served.post(f"{HALF}:regress", {"signature_name": "nope", "examples": [{"x": 1.0}]})
    assert (missing.status_code, error_of(missing)) == (400, "No signature was found with the name: nope")
    wrong = served.post(f"{HALF}:classify", {"examples": [{"x": 1.0}]})
    assert "No classification inputs found in SignatureDef" in error_of(wrong)
    predicted = served.post(f"{HALF}:predict", {"signature_name": "regress_x2_to_y3", "instances": [[2.0]]})
    assert predicted.json() == {"predictions": [[4.0]]}


def test_several_inputs_and_outputs(served):
    rows = [{"a": 1.0, "b": [1, 2]}, {"a": 2.0, "b": [3, 4]}]
    assert served.post("shapes:predict", {"instances": rows}).json() == {
        "predictions": [{"b": [1, 2], "sum": 4.0}, {"b": [3, 4], "sum": 9.0}]
    }
    columns = {"a": [1.0, 2.0], "b": [[1, 2], [3, 4]]}
    assert served.post("shapes:predict", {"inputs": columns}).json() == {
        "outputs": {"b": [[1, 2], [3, 4]], "sum": [4.0, 9.0]}
    }
    plain = served.post("shapes:predict", {"instances": [1, 2]})
    assert "instances is a plain list, but expecting list of objects" in error_of(plain)
    partly = served.post("shapes:predict", {"instances": [{"a": 1.0}]})
    assert "keys must be equal to: a,b" in error_of(partly)
    floats = served.post("shapes:predict", {"inputs": {"a": [1.0], "b": [[1.0, 2]]}})
    assert error_of(floats) == "JSON Value: 1.0 Type: Number is not of expected type: int32"


def test_a_scalar_string(served):
    answer = served.post("shapes:predict", {"signature_name": "strings", "inputs": "foo"})
    assert answer.status_code == 200
    assert answer.json()["outputs"] == {"text": "foo", "text_bytes": {"b64": "Zm9v"}}


def test_strings_and_bytes(served):
    body = {"signature_name": "strings", "instances": ["foo", {"b64": "aGVsbG8="}]}
    assert served.post("shapes:predict", body).json() == {
        "predictions": [
            {"text": "foo", "text_bytes": {"b64": "Zm9v"}},
            {"text": "hello", "text_bytes": {"b64": "aGVsbG8="}},
        ]
    }
    bad = served.post("shapes:predict", {"signature_name": "strings", "instances": [{"b64": "*"}]})
    assert "Unable to base64 decode" in error_of(bad)


def test_classes_and_labels(served):
    body = {"signature_name": "classes", "examples": [{"any": 1}, {}]}
    assert served.post("shapes:classify", body).json() == {"results": [[["cat", 0.25], ["dog", 0.75]]] * 2}


@pytest.mark.parametrize(
    ("signature", "body", "status", "message"),
    [
        ("total", {"instances": [1, 2]}, 400, "Tensor name: total has no shape information "),
        ("uneven", {"instances": [1, 2]}, 400, "has inconsistent batch size: "),
        ("half", {"instances": [1.0]}, 400, "Failed to write JSON value for tensor type: half"),
        ("echo_float16", {"inputs": [1.0]}, 501, "Conversion of JSON Value: 1.0 to type: half"),
        ("echo_int32", {"instances": [1.0]}, 400, "is not of expected type: int32"),
        ("echo_uint32", {"instances": [-1]}, 400, "is not of expected type: uint32"),
        ("echo_int64", {"instances": [2**63]}, 400, "is not of expected type: int64"),
        ("echo_bool", {"instances": [1]}, 400, "is not of expected type: bool"),
        ("matrix", {"instances": [[1, 2]]}, 400, "Matrix size-incompatible"),
    ],
)
def test_what_a_dtype_or_kernel_refuses(served, signature, body, status, message):
    response = served.post("shapes:predict", {"signature_name": signature, **body})
    assert response.status_code == status
    assert message in error_of(response)


@pytest.mark.parametrize(
    ("signature", "values", "answers"),
    [
        ("echo_int8", [300, -1], [44, -1]),
        ("echo_uint8", [256, 255], [0, 255]),
        ("echo_uint64", [2**64 - 1], [2**64 - 1]),
        ("echo_int64", [-(2**63)], [-(2**63)]),
        ("echo_bool", [True, False], [True, False]),
        ("echo_float64", [0.1, 1e300, 7], [0.1, 1e300, 7.0]),
        ("same", [1e39, -1e39, 1e-50], [float("inf"), float("-inf"), 0.0]),
    ],
)
def test_numbers_as_tensorflow_serving_takes_them(served, signature, values, answers):
    response = served.post("shapes:predict", {"signature_name": signature, "instances": values})
    assert response.json() == {"predictions": answers}


def test_float_texts(served):
    values = "[9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5, 0.33333334, NaN, Infinity, -Infinity]"
    response = served.post("shapes:predict", f'{{"signature_name": "same", "instances": {values}}}')
    inner = response.text.split("[")[1].split("]")[0].split()
    assert [text.rstrip(",") for text in inner] == (
        ["9e+06", "999999.0", "0.5", "0.0003", "3e-05", "555557.5", "0.333333343", "NaN", "Infinity", "-Infinity"]
    )


def test_json_rules(served):
    assert served.post(f"{HALF}:predict", '{"instances": [1]}trailing').json() == {"predictions": [2.5]}
    deep = '{"instances": [1], "nested":' + "[" * 500_000 + "]" * 500_000 + "}"
    assert served.post(f"{HALF}:predict", deep).json() == {"predictions": [2.5]}
    name = '{"signature_name":' + "[" * 500_000 + "]" * 500_000 + "}"
    assert "key must be a string value" in error_of(served.post(f"{HALF}:predict", name))
    first = '{"instances": [1], "instances": [2]}'
    assert served.post(f"{HALF}:predict", first).json() == {"predictions": [2.5]}


def test_large_bodies_give_the_same_answers(served):
    values = [[float(i), i] for i in range(20_000)]
    answer = served.post(f"{HALF}:predict", {"instances": values}).json()["predictions"]
    assert answer == [[0.5 * a + 2, 0.5 * b + 2] for a, b in values]
    values[19_999] = [1.0]
    assert "Expecting tensor size: 2 but got: 1" in error_of(served.post(f"{HALF}:predict", {"instances": values}))
    values[19_999] = [1.0, True]
    assert "Type: True is not of expected type" in error_of(served.post(f"{HALF}:predict", {"instances": values}))
