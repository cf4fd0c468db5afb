"""A disk that is full: one sentence with the path and the space that is left, and no file left half-written."""

import contextlib
import os
import subprocess
import sys

import pytest

from tests.attack.table import note
from tests.conftest import ROOT
from tests.integration.serving import saved_models
from tests.integration.serving.server_process import spawned, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def full(tmp_path):
    """A file system of 1 MB without a free byte."""
    disk = tmp_path / "full"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk):
    file = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    for size in (4096, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(file, bytes(size))
    os.close(file)


def hilir(*arguments):
    program = "import sys; from hilir.pipeline.cli.main import main; sys.argv[0] = 'hilir'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def places(tmp_path, **changed):
    roots = {"pipeline.root": "out", "pipeline.runs": "runs", "serving.root": "models", "watch.state": "watch"}
    given = {key: tmp_path / folder for key, folder in roots.items()} | changed
    return [part for key, value in given.items() for part in ("--set", f"{key}={value}")]


@pytest.mark.parametrize("key", ["pipeline.runs", "pipeline.root"])
def test_a_run(full, tmp_path, key):
    (full / "store").mkdir()
    fill(full)
    done = hilir("run", "configs/taxi.yaml", *places(tmp_path, **{key: full / "store"}))
    sentence = done.stderr.strip().splitlines()[-1]
    held = done.returncode == 4 and "Traceback" not in done.stderr and str(full) in sentence
    note(f"{key} on a full disk", held, "exit 4 and a sentence", f"exit {done.returncode}: {sentence[:90]}")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "no space is left to write to" in sentence
    assert str(full) in sentence
    assert [path for path in (full / "store").rglob("*") if path.is_file() and path.suffix in (".json", ".new")] == []


def test_a_release_verb(full):
    saved_models.half_plus(full / "m" / "1", 2.0)
    assert hilir("release", "adopt", str(full / "m" / "1"), "--why", "test").returncode == 0
    fill(full)
    done = hilir("release", "stage", "1", "--model", "m", "--offline", "--root", str(full))
    sentence = done.stderr.strip().splitlines()[-1]
    note("release.json on a full disk", done.returncode == 3, "exit 3 and a sentence", sentence[:90])
    assert done.returncode == 3, done.stderr
    assert "No space left on device" in sentence
    assert "make room" in sentence
    assert not list(full.rglob("*.new"))


def test_outcomes(full, tmp_path):
    (full / "store").mkdir()
    fill(full)
    (tmp_path / "outcomes.csv").write_text("id,name,value\n" + "".join(f"r{n},clicked,1\n" for n in range(2000)))
    place = full / "store" / "outcomes.sqlite"
    done = hilir("outcomes", "import", str(tmp_path / "outcomes.csv"), "--outcomes", str(place))
    sentence = done.stderr.strip().splitlines()[-1]
    note("outcomes on a full disk", done.returncode == 3, "exit 3 and a sentence", sentence[:90])
    assert done.returncode == 3, done.stderr
    wanted = f"hilir: {place}: no space is left to write outcomes to (0 MB free); make room and try again"
    assert sentence.startswith(wanted)
    assert "Traceback" not in done.stderr


def test_the_gateways_files(full):
    saved_models.half_plus(full / "m" / "1", 2.0)
    fill(full)
    done = hilir("gateway", "write", "--root", str(full))
    sentence = done.stderr.strip().splitlines()[-1]
    note("the gateway's files on a full disk", done.returncode == 4, "exit 4 and a sentence", sentence[:90])
    assert done.returncode == 4, done.stderr
    assert "no space is left to write to" in sentence
    assert not list(full.rglob("*.new"))


def test_the_request_log(full, tmp_path):
    saved_models.half_plus(tmp_path / "m" / "1", 2.0)
    fill(full)
    with spawned(f"--model_base_path={tmp_path / 'm'}", "--model_name=m", f"--request-log={full / 'log'}") as client:
        for _ in range(50):
            assert client.post("m:predict", {"instances": [1.0]}).status_code == 200
        wait_until(lambda: ':request_log_count{model_name="m",status="INTERNAL"}' in client.get("/metrics").text)
        warnings = [line for line in client.lines if "is not logged" in line]
    note("the request log on a full disk", len(warnings) == 1, "1 warning a minute", f"{len(warnings)} for 50 requests")
    assert len(warnings) == 1
