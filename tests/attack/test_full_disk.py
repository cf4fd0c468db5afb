"""A disk that is full: one sentence with the path and the space that is left, and no file left half-written."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.attack.table import note
from tests.conftest import ROOT
from tests.integration.release.place import place_running
from tests.integration.release.versions import MODEL
from tests.integration.serving import saved_models
from tests.integration.serving.server_process import spawned, wait_until
from tests.unit.pipeline.clean.project import Project

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


def hilir(*arguments, cwd=ROOT):
    program = "import sys; from hilir.pipeline.cli.main import main; sys.argv[0] = 'hilir'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
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


def test_clean_makes_room(full):
    """The command that frees space needs none."""
    project = Project(full)
    for _ in range(3):
        project.run()
    for folder in (full / "runs").iterdir():
        (folder / "report.html").write_bytes(bytes(100_000))
    fill(full)
    done = hilir("clean", "mine.yaml", "--keep", "1", cwd=full)
    note(
        "clean on a full disk",
        done.returncode == 0,
        "exit 0, what is old is gone",
        done.stdout.strip().splitlines()[-1],
    )
    assert done.returncode == 0, done.stderr
    assert project.list_runs() == ["mine-20260101-000003"]
    assert project.versions == ["3"]
    assert project.folders == ["ExampleGen/examples/1", "Pusher/pushed_model/30", "Trainer/model/30"]


def test_clean_without_a_folder_that_could_go_first(full):
    project = Project(full)
    for _ in range(3):
        project.run()
    shutil.rmtree(full / "runs")
    fill(full)
    done = hilir("clean", "mine.yaml", "--keep", "1", cwd=full)
    sentence = done.stderr.strip().splitlines()[-1]
    note("clean without any room", done.returncode == 4, "exit 4 and a sentence", sentence[:90])
    assert done.returncode == 4, done.stderr
    assert "no space is left to write to" in sentence
    # Nothing that the store still refers to is gone.
    assert len(project.list_runs()) == len(project.versions) == 3


def test_the_monitor(full):
    Project(full)
    fill(full)
    done = hilir("monitor", "run", "--once", "--log", "nothing", cwd=full)
    sentence = done.stderr.strip().splitlines()[-1]
    note("the monitor's state on a full disk", done.returncode == 3, "exit 3 and a sentence", sentence[:90])
    assert done.returncode == 3, done.stderr
    assert "the monitor's state cannot be opened (database or disk is full); make it writable" in sentence


@contextlib.contextmanager
def asking(place):
    """A client that asks again and again: a rollout waits for requests."""
    ended = threading.Event()

    def ask():
        while not ended.wait(0.02):
            place.ask()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    "verb",
    [
        "release rollout 2 --steps 100 --hold 0s --min-requests 1 --max-latency-ratio 1000",
        "release canary 2 --percent 10",
        "release promote",
        "experiment start e --candidate 2 --percent 50 --metric mean:paid --planned 100",
    ],
)
def test_verbs_that_move_traffic(full, verb):
    """With a server and a gateway that do answer: what was before the verb stays, and the same verb works later."""
    with place_running(full, (MODEL, 1), (MODEL, 2)) as place:
        for words in (["stage", "1"], ["promote"], ["stage", "2"]):
            place.release(*words)
        before = (place.root / MODEL / "release.json").read_bytes()
        fill(full)
        done = hilir(*verb.split(), "--model", MODEL, *place.flags[:4])
        sentence = done.stderr.strip().splitlines()[-1]
        note(
            f"{' '.join(verb.split()[:2])} on a full disk", done.returncode == 3, "exit 3 and a sentence", sentence[:90]
        )
        assert done.returncode == 3, done.stderr
        assert "cannot be written to (No space left on device); make it writable, or make room for it" in sentence
        assert (place.root / MODEL / "release.json").read_bytes() == before
        assert not list(full.rglob("*.new"))
        (full / "filler").unlink()
        with asking(place):
            done = hilir(*verb.split(), "--model", MODEL, *place.flags[:4])
        assert done.returncode == 0, done.stderr


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
