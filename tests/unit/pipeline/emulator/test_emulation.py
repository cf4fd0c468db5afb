"""What an emulated job does, on small specifications with real processes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hilir.components.processes.errors import Canceled
from hilir.pipeline.emulator import emulation
from hilir.pipeline.emulator.artifact_store import Store
from hilir.pipeline.emulator.preparation import make_plan
from tests.unit.pipeline.emulator.conftest import Emulator
from tests.unit.pipeline.emulator.specs import Builder, output

CACHED = {"cachingOptions": {"enableCache": True}}


def test_passes_artifacts_metadata_and_parameters(emulate: Emulator) -> None:
    builder = Builder()
    builder.parameter("rows", "NUMBER_INTEGER", 3)
    builder.step(
        "make",
        'write("model", "text"); finish({"count": 5}, {"model": {"kind": "small", "size": 7}})',
        makes={"model": "tfx.Model"},
        returns={"count": "NUMBER_INTEGER"},
    )
    builder.step(
        "use",
        "print(json.dumps([read('model'), artifact('model')['metadata'], artifact('model')['type'], "
        "inputs['parameterValues']], sort_keys=True))",
        takes={"model": ("make", "model")},
        parameters={
            "count": output("make", "count"),
            "rows": {"componentInputParameter": "rows"},
            "text": "{{$.inputs.parameters['rows']}} rows",
        },
    )
    outcome = emulate(builder.job(), "rows=4")
    text, metadata, kind, parameters = json.loads(outcome.said("use")[0])
    assert (text, metadata) == ("text", {"kind": "small", "size": 7})
    assert kind == {"instanceSchema": "title: tfx.Model\ntype: object\n"}
    assert parameters == {"count": 5, "rows": 4, "text": "4 rows"}
    assert outcome.steps["make"].outputs["model"].properties == {"kind": "small", "size": 7}


def test_gives_executor_input_as_vertex_does(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("make", "print(json.dumps(given)); write('model', '')", makes={"model": "tfx.Model"})
    outcome = emulate(builder.job())
    given = json.loads(outcome.said("make")[0])
    (artifact,) = given["outputs"]["artifacts"]["model"]["artifacts"]
    project, _, store, _, number = artifact["name"].split("/")[1], *artifact["name"].split("/")[2:6]
    assert (store, len(number) > 0) == ("local", True)
    folder = Path(given["outputs"]["outputFile"]).parent
    assert given["outputs"]["outputFile"] == f"{folder}/executor_output.json"
    assert artifact["uri"] == f"{folder}/model"
    assert folder.name.startswith("make_")
    assert folder.parent.name == outcome.board.run_id
    assert folder.parent.parent.name == project
    assert folder.parent.parent.parent == emulate.folder / "gs/test-bucket/root"


def test_runs_the_command_with_this_python_and_its_own_environment(
    emulate: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", "of another cluster")
    builder = Builder()
    builder.step(
        "look", "print(sys.executable, os.environ['COLOUR'], 'TF_CONFIG' in os.environ, os.getpgrp() == os.getpid())"
    )
    builder.executors["look_executor"]["container"]["env"] = [{"name": "COLOUR", "value": "blue"}]
    import sys

    assert emulate(builder.job()).said("look") == [f"{Path(sys.executable).parent}/python blue False True"]


def test_a_command_sees_no_variable_that_is_the_operators_own(
    emulate: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"SECRET_TOKEN", "HILIR_WATCH_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "TF_TOKEN_app_terraform_io"}
    passed = {"LC_TIME", "TZ", "HILIR_TOOLS", "TF_NUM_INTEROP_THREADS", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "no_proxy"}
    for name in secrets | passed:
        monkeypatch.setenv(name, "1")
    builder = Builder()
    builder.step("look", "print(*os.environ)")
    builder.executors["look_executor"]["container"]["env"] = [{"name": "API_TOKEN", "value": "the specification's"}]
    (line,) = emulate(builder.job()).said("look")
    seen = set(line.split())
    assert not seen & secrets
    assert seen >= passed | {"PATH", "API_TOKEN"}


def test_tries_again_as_the_policy_says(emulate: Emulator) -> None:
    builder = Builder()
    builder.step(
        "shaky",
        "count = len(open(__import__('pathlib').Path(outputs['outputFile']).parent / 'tries', 'a+').read()); "
        "path = os.path.join(os.path.dirname(outputs['outputFile']), 'tries'); open(path, 'a').write('x'); "
        "tries = len(open(path).read()); print('try', tries); sys.exit(tries < 3)",
        task={"retryPolicy": {"maxRetryCount": 2, "backoffDuration": "0.05s", "backoffFactor": 2}},
    )
    outcome = emulate(builder.job())
    assert outcome.states == {"shaky": "done"}
    assert outcome.said("shaky") == ["try 1", "try 2", "try 3"]
    assert outcome.board.nodes["shaky"].made == {"retries": 2}


def test_what_a_failed_attempt_wrote_is_no_result_of_the_next(emulate: Emulator) -> None:
    builder = Builder()
    builder.step(
        "half",
        "path = os.path.join(os.path.dirname(outputs['outputFile']), 'tries')\n"
        "if not os.path.exists(path):\n"
        "    open(path, 'w').write('x'); write('model', 'half'); finish({'n': 1})\n"
        "    open(outputs['parameters']['m']['outputFile'], 'w').write('2')\n"
        "    sys.exit(1)\n",
        makes={"model": "tfx.Model"},
        returns={"n": "NUMBER_INTEGER", "m": "NUMBER_INTEGER"},
        task={"retryPolicy": {"maxRetryCount": 1, "backoffDuration": "0.05s"}},
    )
    outcome = emulate(builder.job())
    assert outcome.states == {"half": "failed"}
    assert "half: succeeded but wrote neither its output 'model' (" in outcome.error


def test_an_unchanged_step_is_taken_from_the_run_before(emulate: Emulator) -> None:
    def job(word: str) -> dict[str, Any]:
        builder = Builder()
        builder.step(
            "make", "write('model', parameter('word')); finish({'n': 2})", makes={"model": "tfx.Model"},
            returns={"n": "NUMBER_INTEGER"}, parameters={"word": word}, task=CACHED,
        )  # fmt: skip
        builder.step(
            "use", "print(read('model'), parameter('n'))", takes={"model": ("make", "model")},
            parameters={"n": output("make", "n")}, task=CACHED,
        )  # fmt: skip
        builder.step("always", "pass")
        return builder.job()

    assert emulate(job("a")).states == {"make": "done", "use": "done", "always": "done"}
    second = emulate(job("a"))
    assert second.states == {"make": "cached", "use": "cached", "always": "done"}
    assert emulate(job("b")).states["make"] == "done"
    assert emulate(job("a"), options=emulation.Options(cache=False)).states["make"] == "done"


def test_a_cached_artifact_that_is_gone_is_made_again(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("make", "write('model', '')", makes={"model": "tfx.Model"}, task=CACHED)
    first = emulate(builder.job())
    Path(first.steps["make"].outputs["model"].uri).rename(emulate.folder / "moved")
    assert emulate(builder.job()).states == {"make": "done"}


def test_a_failed_step_is_not_cached(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("make", "write('model', ''); sys.exit(1)", makes={"model": "tfx.Model"}, task=CACHED)
    assert emulate(builder.job()).states == {"make": "failed"}
    assert emulate(builder.job()).states == {"make": "failed"}


def test_driver_changes_parameters_and_artifacts_before_the_step(emulate: Emulator) -> None:
    builder = Builder()
    builder.step(
        "ingest",
        "driven = json.load(open(outputs['outputFile'])); print(parameter('span'), target('examples')['metadata'])\n"
        "write('examples', ''); finish({}, {'examples': {'rows': 9}})",
        makes={"examples": "tfx.Examples"}, parameters={"span": 0}, task=CACHED,
    )  # fmt: skip
    container = builder.executors["ingest_executor"]["container"]
    driver = "span = int(open(os.environ['SPAN_FILE']).read()); finish({'span': span}, {'examples': {'span': span}})"
    from tests.unit.pipeline.emulator.specs import HEAD

    span = emulate.folder / "span"
    container["env"] = [{"name": "SPAN_FILE", "value": str(span)}]
    container["lifecycle"] = {"preCacheCheck": {"command": ["python", "-c", HEAD + driver], "args": ["{{$}}"]}}
    states, said = [], []
    for value in ("1", "1", "2"):
        span.write_text(value)
        outcome = emulate(builder.job())
        states.append(outcome.states["ingest"])
        said += outcome.said("ingest")
        assert outcome.steps["ingest"].outputs["examples"].properties == {"span": int(value), "rows": 9}
    assert states == ["done", "cached", "done"]
    assert said == ["1.0 {'span': 1.0}", "2.0 {'span': 2.0}"]


def test_importer_registers_a_path_once(emulate: Emulator) -> None:
    def job(reimport: bool) -> dict[str, Any]:
        builder = Builder()
        builder.importer("bring", str(emulate.folder), reimport=reimport, metadata={"by": "hand"})
        builder.step("use", "print(artifact('m')['name'], artifact('m')['uri'], artifact('m')['metadata'])",
                     takes={"m": ("bring", "result")})  # fmt: skip
        return builder.job()

    names = []
    for reimport in (False, False, True):
        name, uri, *metadata = emulate(job(reimport)).said("use")[0].split(" ")
        assert (uri, " ".join(metadata)) == (str(emulate.folder), "{'by': 'hand'}")
        names.append(name)
    assert names[0] == names[1] != names[2]


def test_resolvers_find_the_latest_blessed_model_of_this_pipeline(emulate: Emulator) -> None:
    def job(name: str, blessed: int) -> dict[str, Any]:
        builder = Builder(name)
        builder.resolver(
            "blessing",
            {"b": ("tfx.ModelBlessing",
                   'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1')}, {},
        )  # fmt: skip
        by_name = "name=\"{{$.inputs.artifacts['input'].metadata['current_model_id']}}\""
        builder.resolver(
            "model", {"m": ("tfx.Model", f'schema_title="tfx.Model" AND state=LIVE AND {by_name}')},
            {"input": ("blessing", "b")},
        )  # fmt: skip
        builder.resolver("latest", {"m": ("tfx.Model", 'schema_title="tfx.Model" AND state=LIVE')}, {})
        builder.step(
            "train",
            "print(*(read(name) if name in inputs['artifacts'] else 'none' for name in ('base', 'last'))); "
            "write('model', given['outputs']['outputFile'])",
            takes={"base": ("model", "m"), "last": ("latest", "m")}, makes={"model": "tfx.Model"},
        )  # fmt: skip
        builder.step(
            "judge",
            f"verdict = {{'blessed': {blessed}, 'current_model_id': artifact('model')['name']}}; "
            "write('blessing', ''); finish({}, {'blessing': verdict})",
            takes={"model": ("train", "model")}, makes={"blessing": "tfx.ModelBlessing"},
        )  # fmt: skip
        return builder.job()

    first = emulate(job("one", 1))
    made_first = Path(first.steps["train"].outputs["model"].uri) / "text"
    assert first.said("train") == ["none none"]
    second = emulate(job("one", 0))
    assert second.said("train") == [f"{made_first.read_text()} {made_first.read_text()}"]
    made_second = (Path(second.steps["train"].outputs["model"].uri) / "text").read_text()
    assert emulate(job("one", 1)).said("train") == [f"{made_first.read_text()} {made_second}"]
    assert emulate(job("other", 1)).said("train") == ["none none"]


def test_a_step_that_writes_no_output_fails(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("make", "pass", makes={"model": "tfx.Model"})
    builder.step("count", "finish()", returns={"n": "NUMBER_INTEGER"})
    builder.step("garble", "open(outputs['outputFile'], 'w').write('{')")
    builder.step("wrong", "open(outputs['parameters']['n']['outputFile'], 'w').write('many')",
                 returns={"n": "NUMBER_INTEGER"})  # fmt: skip
    outcome = emulate(builder.job())
    errors = dict(line.split(": ", 1) for line in outcome.error.splitlines())
    assert set(outcome.states.values()) == {"failed"}
    assert errors["make"].startswith("succeeded but wrote neither its output 'model' (")
    assert errors["count"].startswith("succeeded but did not write its output parameter 'n' (")
    assert "is not an ExecutorOutput" in errors["garble"]
    assert errors["wrong"] == "the output parameter 'n' is 'many', which is not a NUMBER_INTEGER"


def test_output_parameters_from_their_own_files(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("count", "open(outputs['parameters']['n']['outputFile'], 'w').write('7')",
                 returns={"n": "NUMBER_INTEGER"})  # fmt: skip
    builder.step("use", "print(parameter('n') + 1)", parameters={"n": output("count", "n")})
    assert emulate(builder.job()).said("use") == ["8"]


def test_a_killed_step_says_so(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("victim", "os.kill(os.getpid(), 9)")
    outcome = emulate(builder.job())
    assert "victim: was killed by SIGKILL (by the kernel, if memory ran out)" in outcome.error


def test_a_command_that_does_not_exist(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("lost", "", command=["no-such-program"])
    outcome = emulate(builder.job())
    assert outcome.states == {"lost": "failed"}
    assert outcome.error == (
        "lost: the program 'no-such-program' is not installed here, though its image may have it; install it"
    )


def test_interruption_ends_the_processes(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("long", "import subprocess; child = subprocess.Popen(['sleep', '60']); "
                 "open(os.environ['PIDS'], 'w').write(f'{os.getpid()} {child.pid}'); time.sleep(60)")  # fmt: skip
    builder.step("next", "pass", after=["long"])
    pids = emulate.folder / "pids"
    builder.executors["long_executor"]["container"]["env"] = [{"name": "PIDS", "value": str(pids)}]

    def interrupt() -> None:
        limit = time.time() + 60
        while not (pids.exists() and pids.read_text()) and time.time() < limit:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        emulate(builder.job())
    own, child = map(int, pids.read_text().split())
    for pid in (own, child):
        assert _is_gone(pid)


def test_another_thread_can_cancel(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("long", "time.sleep(60)")
    parsed = make_plan(builder.job(), (), (), emulate.folder)
    cancel, board = threading.Event(), emulation.make_board("job", parsed)

    def cancel_once_it_runs() -> None:
        while board.nodes["long"].state != "running":
            time.sleep(0.02)
        cancel.set()

    threading.Thread(target=cancel_once_it_runs, daemon=True).start()
    with pytest.raises(Canceled):
        emulation.run(parsed, board, emulate.folder, Store(emulate.folder / "m.sqlite"), emulation.Options(), cancel)
    assert board.nodes["long"].state == "failed"


def _is_gone(pid: int) -> bool:
    limit = time.time() + 60
    while time.time() < limit:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
