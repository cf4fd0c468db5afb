"""Paths of the REST API, after http_rest_api_util_test.cc."""

import pytest

from hilir.serving.server.rest.paths import Target, VersionError, parse_target

ESCAPED = "%21%23%24%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D"
PLAIN = "!#$%&'()*+,/:;=?@[]"


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1/models", Target("", None, None, "status")),
        ("GET", "/v1/models/m", Target("m", None, None, "status")),
        ("GET", "/v1/models/m/versions/99", Target("m", 99, None, "status")),
        ("GET", "/v1/models/m/labels/latest", Target("m", None, "latest", "status")),
        ("GET", "/v1/models/m/labels/latest/metadata", Target("m", None, "latest", "metadata")),
        ("GET", "/V1/Models/m/METADATA", Target("m", None, None, "status")),
        ("GET", f"/v1/models/m{ESCAPED}/labels/l{ESCAPED}", Target(f"m{PLAIN}", None, f"l{PLAIN}", "status")),
        ("GET", "/v1/models/m?x=1", Target("m?x=1", None, None, "status")),
        ("POST", f"/v1/models/m{ESCAPED}:predict", Target(f"m{PLAIN}", None, None, "predict")),
        ("POST", "/v1/models/m/versions/00099:predict", Target("m", 99, None, "predict")),
        ("POST", "/v1/models/m/labels/x:classify", Target("m", None, "x", "classify")),
    ],
)
def test_good_paths(method, path, target):
    assert parse_target(method, path) == target


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("GET", "/v1/models/foo:predict"),
        ("POST", "/v1/models"),
        ("POST", "/v1/models/foo/versions/string:predict"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"),
        ("POST", "/v1/models/foo/metadata"),
        ("POST", "/v1/models/foo:Predict"),
        ("POST", "/v1/models/foo/versions/٣:predict"),
        ("PUT", "/v1/models/foo:predict"),
    ],
)
def test_bad_paths(method, path):
    assert parse_target(method, path) is None


def test_version_beyond_64_bits():
    with pytest.raises(VersionError, match="Failed to convert version"):
        parse_target("POST", f"/v1/models/foo/versions/{2**64 - 1}:predict")
