"""The request to try that `hilir run` and `hilir serve` print."""

from __future__ import annotations

import json
import shlex

import pytest

from hilir.serving.sample_request import write_curl


@pytest.fixture
def version(tmp_path):
    """Returns a function that writes golden requests and returns the version's folder."""

    def write(*requests):
        (tmp_path / "assets.extra").mkdir()
        lines = [json.dumps({"signature": "serving_default", "inputs": each, "outputs": {}}) for each in requests]
        (tmp_path / "assets.extra" / "golden.jsonl").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


def body_of(line: str) -> dict[str, object]:
    words = shlex.split(line)
    return json.loads(words[words.index("-d") + 1])


def test_names_lists_and_missing_values_are_as_they_are_sent(version):
    row = {"Order Total": [0.10000000149011612], "it's": ["Zürich"], "tags": [[3, 4]], "x": [float("nan")], "n": [7]}
    line = write_curl(version(row), "my model", "https://localhost:8501")
    assert line.endswith(" https://localhost:8501/v1/models/my%20model:predict")
    assert body_of(line) == {"instances": [{"Order Total": 0.1, "it's": "Zürich", "tags": [3, 4], "x": None, "n": 7}]}


def test_a_row_without_missing_values_is_preferred(version):
    line = write_curl(version({"x": [float("nan")]}, {"x": [1.5]}), "m")
    assert body_of(line) == {"instances": [{"x": 1.5}]}


def test_the_token_has_a_place(version):
    assert "-H 'Authorization: Bearer TOKEN'" in write_curl(version({"x": [1.5]}), "m", token=True)


def test_no_line_without_rows_or_for_rows_that_are_too_long(version, tmp_path):
    assert write_curl(tmp_path, "m") is None
    assert write_curl(version({"image": [{"b64": "A" * 5000}]}), "m") is None
