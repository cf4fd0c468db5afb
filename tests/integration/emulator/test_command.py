"""`hilir emulate` from the outside: screen, summary, exit codes, interruption, and a killed emulator."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.forking import Hilir, run_hilir
from tests.unit.pipeline.emulator.specs import Builder, dump


def emulate(folder: Path, builder: Builder, *arguments: str) -> subprocess.CompletedProcess[str]:
    spec = folder / "spec.json"
    spec.write_text(dump(builder.job()))
    return run_hilir(["emulate", str(spec), "--workdir", str(folder / "work"), *arguments], cwd=ROOT)


def test_success_is_shown_and_summed_up(tmp_path: Path) -> None:
    builder = Builder()
    builder.parameter("word", "STRING", "good")
    builder.step("make", "write('model', parameter('word'))", makes={"model": "tfx.Model"},
                 parameters={"word": {"componentInputParameter": "word"}})  # fmt: skip
    done = emulate(
        tmp_path, builder, "--parameter", "word=better", "--map", f"gs://test-bucket={tmp_path}/bucket", "--json"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "make running"
    assert lines[2].startswith("make done (")
    summary: dict[str, Any] = json.loads(lines[-1])
    assert (summary["status"], [node["state"] for node in summary["nodes"]]) == ("succeeded", ["done"])
    folder = tmp_path / "work/runs" / summary["run_id"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert json.loads((folder / "specification.json").read_text()) == builder.job()
    (made,) = tmp_path.glob("bucket/root/*/*/make_*/model/text")
    assert made.read_text() == "better"


def test_failure_is_explained_with_code_4(tmp_path: Path) -> None:
    builder = Builder()
    builder.step("bad", "raise RuntimeError('no luck')")
    done = emulate(tmp_path, builder)
    assert done.returncode == 4
    assert done.stderr.startswith("hilir: bad: RuntimeError: no luck; the whole traceback is in ")
    assert "Traceback" not in done.stderr


def test_refusals_come_at_once_with_code_3_and_start_nothing(tmp_path: Path) -> None:
    builder = Builder()
    builder.step("a", "", task={"cachingOptions": {"cacheKey": "k"}})
    builder.step("b", "", command=[])
    builder.executors["b_executor"]["container"]["command"] = []
    done = emulate(tmp_path, builder)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "hilir: root: task a: a cacheKey of its own is not emulated",
        "executor b_executor: has no command, and the entry point of an image is not known without the image; "
        "give a command",
    ]
    assert not (tmp_path / "work").exists()


def test_folders_that_are_not_there_are_refused_at_once(tmp_path: Path) -> None:
    builder = Builder()
    builder.step("use", "", parameters={"data": "gs://data/x", "kept": "gs://kept/y"})
    (tmp_path / "kept").mkdir()
    mappings = [f"gs://data={tmp_path}/no where", f"gs://kept={tmp_path}/kept", f"gs://test-bucket={tmp_path}/made"]
    done = emulate(tmp_path, builder, *[part for mapping in mappings for part in ("--map", mapping)])
    assert done.returncode == 3
    assert done.stderr == (
        f"hilir: --map gs://data={tmp_path}/no where: the folder does not exist; correct the path, or make it for "
        f"steps that write there: mkdir -p '{tmp_path}/no where'\n"
    )
    assert not (tmp_path / "work").exists()
    (tmp_path / "no where").mkdir()
    assert emulate(tmp_path, builder, *[part for mapping in mappings for part in ("--map", mapping)]).returncode == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_step_outlives_the_emulator(tmp_path: Path, sent: signal.Signals) -> None:
    builder = Builder()
    builder.step("long", "open(os.environ['PID'], 'w').write(str(os.getpid())); time.sleep(100)")
    pid_file = tmp_path / "pid"
    builder.executors["long_executor"]["container"]["env"] = [{"name": "PID", "value": str(pid_file)}]
    (tmp_path / "spec.json").write_text(dump(builder.job()))
    process = Hilir(
        ["emulate", f"{tmp_path}/spec.json", "--workdir", f"{tmp_path}/work"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
        process.send_signal(sent)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    wait_until(lambda: not Path(f"/proc/{pid_file.read_text()}").exists())
    if sent == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert said.startswith("hilir: interrupted; finished steps are kept, 'hilir emulate ")
        (summary,) = (tmp_path / "work/runs").glob("*/summary.json")
        assert json.loads(summary.read_text())["status"] == "interrupted"


def wait_until(condition: Any) -> None:
    limit = time.time() + 60
    while not condition():
        assert time.time() < limit
        time.sleep(0.05)
