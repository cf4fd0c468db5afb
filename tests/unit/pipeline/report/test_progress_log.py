"""The progress of a run, as somebody else reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hilir.pipeline.report.progress_log import NAME, ProgressLog, read_progress

_RUN = """
import sys
from pathlib import Path
from hilir.pipeline.report.progress_log import ProgressLog
log = ProgressLog(Path(sys.argv[1]))
log.note("start", model="taxi", steps=["ExampleGen", "Trainer"], edges=[["ExampleGen", "Trainer"]])
log.note("step", id="ExampleGen", state="done", seconds=1.5, made={"rows": 3})
log.note("step", id="Trainer", state="running", seconds=0.0, made={})
log.note("step", id="Trainer", state="running", seconds=0.5, made={"epoch": "1/2", "loss": 0.5})
print("ready", flush=True)
sys.stdin.read()
"""


def start(folder: Path) -> subprocess.Popen[str]:
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    return run


def test_a_run_at_work_is_followed_and_a_killed_one_is_known(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        progress = read_progress(tmp_path)
        assert progress.running
        assert [(step["id"], step["state"]) for step in progress.steps] == [
            ("ExampleGen", "done"),
            ("Trainer", "running"),
        ]
        assert progress.history == {"Trainer": [{"epoch": "1/2", "loss": 0.5}]}
        assert progress.ended is None
        # A second reader does not take the first one's lock for that of the run.
        assert read_progress(tmp_path).running
        run.kill()
        run.wait()
    assert not read_progress(tmp_path).running
    assert read_progress(tmp_path).status == ""


def test_a_line_that_a_crash_cut_off_is_passed_over(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path)
    log.note("start", model="taxi", steps=["A"], edges=[])
    log.note("end", status="succeeded")
    log.close()
    with (tmp_path / NAME).open("a") as file:
        file.write('{"event": "step", "id"')
    assert read_progress(tmp_path).status == "succeeded"
    assert [step["state"] for step in read_progress(tmp_path).steps] == ["waiting"]


def test_nothing_is_known_of_a_folder_without_it(tmp_path: Path) -> None:
    assert read_progress(tmp_path).began is None
