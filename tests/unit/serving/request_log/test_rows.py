"""Rows of logged requests: from every form of inputs and outputs, rotated files, and names with any characters."""

import json

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.access_log import GOLDEN_IDS
from hilir.serving.request_log.row_counts import read_rows


def test_rows_come_from_the_request_log_as_far_as_it_tells(tmp_path):
    prefix = tmp_path / "log[1]"
    entries = [
        {"inputs": {"x": [[1.0], [2.0]]}, "outputs": {"y": [[1.0], [2.0]]}},
        {"inputs": {"x": "REDACTED"}, "outputs": {"y": {"shape": [7, 100], "dtype": "float32"}}},
        {"inputs": {"x": "REDACTED"}, "outputs": {"y": "REDACTED"}},
        {"inputs": [{"x": [1]}, {"x": [2]}, {"x": [3]}], "outputs": {"scores": "REDACTED"}},
        {"inputs": {}, "outputs": {}, "request_id": f"{GOLDEN_IDS}1-1"},
        {"inputs": {}, "outputs": {}, "model": "other"},
    ]
    lines = [
        json.dumps({"model": "m", "version": 2, "request_id": f"r-{number}", **entry}) + "\n"
        for number, entry in enumerate(entries)
    ]
    (tmp_path / "log[1]-00000000000000000001.jsonl").write_text(lines[0])
    (tmp_path / "log[1].jsonl").write_text("".join(lines[1:]) + '{"torn')
    assert read_rows([str(prefix)], "m") == {("r-0", "2"): 2, ("r-1", "2"): 7, ("r-2", "2"): None, ("r-3", "2"): 3}
    with pytest.raises(ServingConfigError, match="there is no such request log"):
        read_rows([str(tmp_path / "none")], "m")
