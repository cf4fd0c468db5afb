"""JSON to tensors and back, after json_tensor_test.cc."""

import json
import math

import numpy as np
import pytest

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.json import json_numeric
from hilir.serving.server.rest.json.json_decode import decode, decode_object
from hilir.serving.server.rest.json.json_predict import Format, decode_predict
from hilir.serving.server.rest.json.json_response import (
    encode_classifications,
    encode_error,
    encode_predictions,
    encode_regressions,
)
from hilir.serving.server.rest.json.json_text import debug_string
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.status import Code, StatusError
from hilir.serving.server.tensors import dtypes


def read(body, **specs):
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    inputs = {name: InputSpec(name, dtype) for name, dtype in sorted(specs.items())}
    return decode_predict(body, lambda _: inputs, MemoryBudget().take)


def fails(body, message, **specs):
    with pytest.raises(StatusError) as caught:
        read(body, **specs)
    assert message in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The document is empty"),
        (" \n", "The document is empty"),
        ("nul", "Invalid value."),
        ("instances", "Invalid value."),
        ("[1,]", "Invalid value."),
        ("[1 2]", "Missing a comma or "),
        ("[1", "Missing a comma or "),
        ("{1:2}", "Missing a name for object member."),
        ('{"a" 1}', "Missing a colon after a name of object member."),
        ('{"a":1 "b":2}', "Missing a comma or "),
        ('{"a":1,}', "Missing a name for object member."),
        ('"abc', "Missing a closing quotation mark in string."),
        ('"a\\x"', "Invalid escape character in string."),
        ('"\\u12x4"', "Incorrect hex digit after \\u escape in string."),
        ('"\\ud800"', "The surrogate pair in string is invalid."),
        ('"\\udc00"', "The surrogate pair in string is invalid."),
        ('["\\\\\\ud800x"]', "The surrogate pair in string is invalid."),
        ('"a\nb"', "Invalid encoding in string."),
        ("[1.]", "Miss fraction part in number."),
        ("[1e]", "Miss exponent in number."),
        ("[1.5E+]", "Miss exponent in number."),
        ("-", "Invalid value."),
        ("1e999", "Number too big to be stored in double"),
        ("[" + "1" * 5000 + "]", "Number too big to be stored in double"),
        ("Infinite", "Invalid value."),
        ("[" * 100_000, "Invalid value."),
        ("[" * 5_000_000, "The document is nested too deeply."),
    ],
)
def test_parse_errors(text, message):
    with pytest.raises(StatusError) as caught:
        decode(text.encode())
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message.startswith(f"JSON Parse error: {message}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":[1,2.5,{"b":null}],"c":true} x', {"a": [1, 2.5, {"b": None}], "c": True}),
        ("[]", []),
        ("{}", {}),
        ("[Inf, -Infinity, -Inf]", [math.inf, -math.inf, -math.inf]),
        ('["Inf", "\\"Inf", NaN, Inf]', ["Inf", '"Inf', pytest.approx(math.nan, nan_ok=True), math.inf]),
        ("[-NaN]", [pytest.approx(math.nan, nan_ok=True)]),
        ("01", 0),
        ("-0.5e1", -5.0),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("[18446744073709551615, -9223372036854775809, Inf]", [2**64 - 1, -(2.0**63), math.inf]),
        ('"\\u00e4\\ud83d\\ude00\\n"', "ä😀\n"),
        ('["\\ud83d\\ude00", "\\\\ud800", Inf]', ["😀", "\\ud800", math.inf]),
        ('\ufeff{"a":1}', {"a": 1}),
        ('{"instances":1,"b":2,"instances":2}', {"instances": 1, "b": 2}),
    ],
)
def test_values(text, value):
    found = decode(text.encode())
    assert found == value
    assert type(found) is type(value)


def test_what_is_nested_too_deeply_to_be_used_does_not_matter():
    deep = "[{" * 50_000 + "}]" * 50_000
    text = f'{{"instances": [NaN, 2], "more": [{deep}, "]", {deep}], "last": Inf}} and more'.replace("[{", '[{"a":')
    found = decode(text.encode())
    assert (found["instances"][1], found["more"][1], found["last"]) == (2, "]", math.inf)


def test_the_order_of_keys_stays():
    assert list(decode(b'{"instances": 1, "z": 2, "a": 3, "instances": 4}')) == ["instances", "z", "a"]


def test_invalid_utf8_comes_through():
    assert decode(b'"\xff"').encode("utf-8", "surrogateescape") == b"\xff"
    result = read(b'{"instances": ["\xff\xfe"]}', s=dtypes.STRING)
    assert result.inputs["s"].tolist() == [b"\xff\xfe"]


def test_large_bodies_with_unusual_content():
    numbers = ",".join(["1.5"] * 5000)
    assert decode_object(f'{{"a":[{numbers},NaN]}}'.encode(), MemoryBudget().take)["a"][0] == 1.5
    with pytest.raises(StatusError, match="Missing a comma or "):
        decode_object(('{"a":[' + "1.5," * 400_000 + "1.5 1]}").encode(), MemoryBudget().take)


def test_rows():
    result = read('{"instances": [[1,2],[3,4],[5,6]]}', default=dtypes.INT32)
    assert result.format is Format.ROW
    assert result.inputs["default"].dtype == np.int32
    assert result.inputs["default"].tolist() == [[1, 2], [3, 4], [5, 6]]


def test_named_rows_of_several_types():
    result = read(
        """{"instances": [
        {"i": [[1,2],[3,4]], "s": ["foo", "bar"], "f": [1.0, NaN], "d": [NaN]},
        {"i": [[7,8],[9,0]], "s": ["baz", "bat"], "f": [2.0, Infinity], "d": [2.0]}]}""",
        i=dtypes.INT32,
        s=dtypes.STRING,
        f=dtypes.FLOAT,
        d=dtypes.DOUBLE,
    )
    assert result.inputs["i"].tolist() == [[[1, 2], [3, 4]], [[7, 8], [9, 0]]]
    assert result.inputs["s"].tolist() == [[b"foo", b"bar"], [b"baz", b"bat"]]
    np.testing.assert_equal(result.inputs["f"], np.float32([[1, np.nan], [2, np.inf]]))
    np.testing.assert_equal(result.inputs["d"], np.array([[np.nan], [2.0]]))


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ('{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}', (2,)),
        ('{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}', (2, 1)),
        ('{"instances": [{"s": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ"}]]}]}', (1, 2, 1)),
    ],
)
def test_base64(body, shape):
    array = read(body, s=dtypes.STRING).inputs["s"]
    assert array.shape == shape
    assert array.reshape(-1).tolist() == [b"hello", b"world"]


def test_columns():
    result = read(
        {"inputs": {"i": [[[1, 2], [3, 4]]], "s": ["foo"], "b": {"b64": "aGVsbG8="}}},
        i=dtypes.INT32,
        s=dtypes.STRING,
        b=dtypes.STRING,
    )
    assert result.format is Format.COLUMN
    assert result.inputs["i"].shape == (1, 2, 2)
    assert result.inputs["b"].shape == ()
    assert result.inputs["b"][()] == b"hello"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"instances": [[1,2],[3,4],[5,6,7]]}', "Expecting tensor size"),
        ('{"instances": [[1,2],[3,4],[[5,6]]]}', "Expecting shape"),
        ('{"instances": [1, [1]]}', "Expecting shape"),
        ('{"instances": [[1,2],["a","b"]]}', "not of expected type"),
        ('{"inputs": [[1], 2]}', "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ('{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        ('{"instances": [true]}', "not of expected type: int32"),
        ('{"instances": [{"b64": "aa"}]}', "Type: Object is not of expected type: int32"),
        ('{"inputs": ' + "[" * 70 + "]" * 70 + "}", "more than 64 dimensions"),
    ],
)
def test_errors(body, message):
    assert fails(body, message, default=dtypes.INT32).code is Code.INVALID_ARGUMENT


def test_no_inputs_at_all():
    fails('{"instances": [1]}', "Failed to get input map for signature: DEFAULT")


def test_large_bodies_are_read_alike():
    values = np.arange(60_000, dtype=np.float64).reshape(20, 50, 60)
    body = json.dumps({"signature_name": "s", "instances": values.tolist()}).encode()
    assert json_numeric.read_large(body).shape == (20, 50, 60)
    for dtype, kind in ((dtypes.FLOAT, np.float32), (dtypes.DOUBLE, np.float64)):
        result = read(body, x=dtype)
        assert (result.signature_name, result.inputs["x"].dtype) == ("s", kind)
        np.testing.assert_array_equal(result.inputs["x"], values.astype(kind))
    fails(body, "not of expected type: int32", x=dtypes.INT32)
    ints = json.dumps({"inputs": values.astype(int).tolist()}).encode()
    assert read(ints, x=dtypes.INT64).inputs["x"].dtype == np.int64


@pytest.mark.parametrize(
    "spoil",
    [lambda rows: rows[7].append(1), lambda rows: rows[7].pop(), lambda rows: rows.__setitem__(3, [[1] * 1000])],
)
def test_large_ragged_bodies_are_refused(spoil):
    rows = [[float(i)] * 1000 for i in range(10)]
    spoil(rows)
    body = json.dumps({"instances": rows}).encode()
    assert json_numeric.read_large(body) is None
    fails(body, "Expecting ", x=dtypes.FLOAT)


@pytest.mark.parametrize(
    "head",
    [
        '"inst\\u0061nces": ',
        '"signature_name": "[1]", "instances": ',
        '"signature_name": "\\"instances\\"", "instances": ',
        '"more": [[1], 2], "instances": ',
    ],
)
def test_large_bodies_with_odd_keys_are_read_as_small_ones_are(head):
    rows = [[float(i)] * 1000 for i in range(10)]
    body = f"{{{head}{json.dumps(rows)}}}".encode()
    np.testing.assert_array_equal(read(body, x=dtypes.FLOAT).inputs["x"], np.float32(rows))


def test_large_bodies_with_a_key_twice_are_read_as_small_ones_are():
    rows = [[1.0] * 1000 for _ in range(10)]
    body = f'{{"instances": {json.dumps(rows)}, "instances": [[2.0]]}}'.encode()
    np.testing.assert_array_equal(read(body, x=dtypes.FLOAT).inputs["x"], np.float32(rows))


def test_large_bodies_do_not_share_a_parser():
    first, second = (np.full((10, 1000), number) for number in (1.0, 2.0))
    held = json_numeric.read_large(json.dumps({"instances": first.tolist()}).encode())
    other = json_numeric.read_large(json.dumps({"instances": second.tolist()}).encode())
    np.testing.assert_array_equal(held.to_array(dtypes.DOUBLE), first)
    np.testing.assert_array_equal(other.to_array(dtypes.DOUBLE), second)


def test_layout_of_rows_and_columns():
    outputs = {"a": np.float32([[1], [2]]), "s_bytes": np.array([b"x", b"y"], dtype=object)}
    assert json.loads(encode_predictions(outputs, Format.ROW)) == {
        "predictions": [{"a": [1.0], "s_bytes": {"b64": "eA=="}}, {"a": [2.0], "s_bytes": {"b64": "eQ=="}}]
    }
    assert json.loads(encode_predictions(outputs, Format.COLUMN)) == {
        "outputs": {"a": [[1.0], [2.0]], "s_bytes": [{"b64": "eA=="}, {"b64": "eQ=="}]}
    }


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.int32([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.zeros((0, 2), np.int32), []),
        (np.zeros((2, 0), np.float32), [[], []]),
        (np.zeros((2, 0, 3), np.float32), [[], []]),
        (np.zeros((2, 2, 0), np.float32), [[[], []], [[], []]]),
        (np.array([True, False]), [True, False]),
        (np.uint64([2**64 - 1]), [2**64 - 1]),
        (np.array(['a"\n', "ä"], dtype=object), ['a"\n', "ä"]),
        (np.arange(20_000, dtype=np.float32) / 3, (np.arange(20_000, dtype=np.float32) / 3).tolist()),
    ],
)
def test_outputs(array, text):
    rows = json.loads(encode_predictions({"x": array}, Format.ROW))["predictions"]
    columns = json.loads(encode_predictions({"x": array}, Format.COLUMN))["outputs"]
    if array.size > 16_384:
        assert np.array_equal(np.float32(rows), array)
    else:
        assert rows == columns == text


def test_output_errors():
    for outputs, message in (
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"x": np.complex64([1])}, "Failed to write JSON value for tensor type: complex64"),
        ({"x": np.int32(1)}, "Tensor name: x has no shape information "),
        ({"x": np.int32([1]), "y": np.int32([1, 2])}, "inconsistent batch size: 2 expecting: 1"),
    ):
        with pytest.raises(StatusError) as caught:
            encode_predictions(outputs, Format.ROW)
        assert message in caught.value.message


def test_classifications_and_regressions():
    body = encode_classifications([[("car", 0.2), ("bike", 0.7)], [("car", 1.0), ("bike", math.inf)]])
    assert json.loads(body) == {"results": [[["car", 0.2], ["bike", 0.7]], [["car", 1.0], ["bike", math.inf]]]}
    values = np.float32([0.2, np.inf, 1.0, -np.inf, np.nan])
    assert encode_regressions(values).split(b"[")[1].split(b"]")[0] == b"0.2, Infinity, 1.0, -Infinity, NaN"
    for encode in (encode_classifications, lambda rows: encode_regressions(np.float32(rows))):
        with pytest.raises(StatusError, match="Cannot convert empty"):
            encode([])


def test_error_bodies():
    assert json.loads(encode_error('Bad key: "key"')) == {"error": 'Bad key: "key"'}


def test_debug_strings_are_cut():
    assert len(debug_string(list(range(10_000)))) < 300
    assert debug_string({"a": [1, {}], "b": None}) == '{\n    "a": [1, {}],\n    "b": null\n}'
    assert len(debug_string("x" * 10_000)) < 300
