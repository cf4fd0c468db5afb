"""A new span of the digits arrives in a folder that is watched: the pipeline runs and pushes a version."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.integration.triggers.daemon import Daemon

pytestmark = pytest.mark.pipeline


def test_a_new_span_is_trained_on(tmp_path):
    write = "import sys; from models.digits.dataset import write_dataset; write_dataset(sys.argv[1])"
    (tmp_path / "made").mkdir()
    subprocess.run([sys.executable, "-c", write, tmp_path / "made"], cwd=ROOT, check=True, capture_output=True)
    daemon = Daemon(
        tmp_path,
        f"data.path={tmp_path}/data",
        "data.pattern=day-{SPAN}/*.tfrecord",
        "data.generator=null",
        f"pipeline.root={tmp_path}/pipelines",
        f"pipeline.runs={tmp_path}/runs",
        f"serving.root={tmp_path}/models",
        "train.epochs=3",
        "evaluate.slices={}",
        "evaluate.thresholds=[{metric: accuracy, min: 0.1}]",
        "export.tflite.variants=[]",
        "watch.data={every_seconds: 1, marker: _SUCCESS}",
        "watch.debounce_seconds=0",
    )
    day = tmp_path / "data" / "day-7"
    day.parent.mkdir()
    daemon.start()
    daemon.wait(lambda: daemon.rows("SELECT 1 FROM memory"))
    day.mkdir()
    shutil.copy(tmp_path / "made" / "digits.tfrecord", day)
    daemon.wait(lambda: daemon.rows("SELECT 1 FROM memory WHERE hold IS NOT NULL"))
    assert daemon.rows("SELECT 1 FROM run") == []
    (day / "_SUCCESS").touch()
    daemon.wait(lambda: daemon.rows("SELECT 1 FROM attempt WHERE state = 'running'"))
    # The run goes on without the daemon, and the next one takes note of its end.
    daemon.stop(signal.SIGKILL)
    daemon.start()
    daemon.wait(lambda: daemon.rows("SELECT 1 FROM run WHERE state IN ('succeeded', 'failed')"), 400)
    (run,) = daemon.status()["runs"]
    assert daemon.stop(signal.SIGTERM) == 0
    assert run["state"] == "succeeded", (tmp_path / "watch/digits/runs/1-1.err").read_text()
    assert run["firings"][0]["why"] == "span 7 is complete (its marker is there)"
    assert run["firings"][0]["spans"] == [{"span": 7, "version": None}]
    (attempt,) = run["attempts"]
    manifest = json.loads((tmp_path / "models" / "digits" / "1" / "manifest.json").read_text())
    assert attempt["result"]["version"] == 1
    assert manifest["run_id"] == attempt["result"]["run_id"]
    assert manifest["data"]["span"] == 7
