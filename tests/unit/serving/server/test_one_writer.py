"""What belongs to the life of a request is written in one place each."""

import re
from pathlib import Path

import pytest

import hilir.serving.server

ROOT = Path(hilir.serving.server.__file__).parent


@pytest.mark.parametrize(
    ("pattern", "writer"),
    [
        (r"\bin_flight [+-]= ", "inference/service.py"),
        (r"\bin_flight\.(set|add)\(", "rest/api.py"),
        (r"\.offer\(", "inference/recorder.py"),
        (r"\brequest_(count|latency)\.add\(", "inference/recorder.py"),
        (r"\bversion_(requests|latency)\.add\(", "inference/recorder.py"),
        (r"\btoken_hex\(", "telemetry/request_ids.py"),
        (r"Timed out waiting", "inference/service.py"),
        (r"\.cost\b [<>]", "inference/inline.py"),
    ],
)
def test_one_writer(pattern, writer):
    found = {str(file.relative_to(ROOT)) for file in sorted(ROOT.rglob("*.py")) if re.search(pattern, file.read_text())}
    assert found == {writer}
