"""Which tasks of a dag run, in which order: failures, inner dags, conditions, exit handlers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.pipeline.emulator.conftest import Emulator
from tests.unit.pipeline.emulator.specs import Builder, artifact_type, output

SLOW = """
limit = time.time() + 60
while not os.path.exists({noted!r}):
    assert time.time() < limit
    time.sleep(0.01)
"""


def add_failure(builder: Builder, folder: Path, program: str) -> str:
    """Adds a step that fails; returns the program of a step that runs until the failure has been noted."""
    noted = str(folder / "noted")
    builder.step("bad", program)
    whenever = {"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}
    builder.step("note", f"open({noted!r}, 'w').close()", after=["bad"], task=whenever)
    return SLOW.format(noted=noted)


def test_a_failure_stops_what_depends_on_it_and_nothing_else(emulate: Emulator, tmp_path: Path) -> None:
    builder = Builder()
    builder.step("slow", add_failure(builder, tmp_path, "raise ValueError('no such luck')"))
    builder.step("after", "pass", after=["bad"])
    builder.step("later", "print('went on')", after=["slow"])
    outcome = emulate(builder.job())
    assert outcome.states == {"bad": "failed", "note": "done", "after": "skipped", "slow": "done", "later": "done"}
    assert outcome.error == f"bad: ValueError: no such luck; the whole traceback is in {outcome.folder}/logs/bad.log"


def test_fail_fast_starts_nothing_after_a_failure(emulate: Emulator, tmp_path: Path) -> None:
    builder = Builder()
    builder.step("slow", add_failure(builder, tmp_path, "sys.exit(3)"))
    builder.step("later", "pass", after=["slow"])
    job = builder.job()
    job["runtimeConfig"]["failurePolicy"] = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
    outcome = emulate(job)
    assert outcome.states == {"bad": "failed", "note": "done", "slow": "done", "later": "skipped"}
    assert outcome.error.startswith("bad: ended with exit code 3 (log: ")


def test_fail_fast_reaches_inner_dags(emulate: Emulator, tmp_path: Path) -> None:
    builder = Builder()
    slow = add_failure(builder, tmp_path, "sys.exit(3)")
    outer = dict(builder.tasks)
    builder.tasks.clear()
    builder.step("slow", slow)
    builder.step("later", "pass", after=["slow"])
    inner = dict(builder.tasks)
    builder.tasks.clear()
    builder.tasks.update(outer)
    builder.components["group"] = {"dag": {"tasks": inner}}
    builder.tasks["group"] = {"taskInfo": {"name": "group"}, "componentRef": {"name": "group"}}
    job = builder.job()
    assert emulate(job).states == {"bad": "failed", "note": "done", "slow": "done", "later": "done"}
    (tmp_path / "noted").unlink()
    job["runtimeConfig"]["failurePolicy"] = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
    assert emulate(job).states == {"bad": "failed", "note": "done", "slow": "done", "later": "skipped"}


def test_inner_dags_pass_values_in_and_out(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("double", "finish({'n': parameter('n') * 2})", returns={"n": "NUMBER_INTEGER"},
                 parameters={"n": {"componentInputParameter": "start"}})  # fmt: skip
    builder.step("copy", "write('out', read('model') + '!')", takes={"model": ("make", "model")},
                 makes={"out": "tfx.Model"})  # fmt: skip
    inner = {name: builder.tasks.pop(name) for name in ("double", "copy")}
    inner["copy"]["inputs"]["artifacts"]["model"] = {"componentInputArtifact": "given"}
    builder.step("make", "write('model', 'text')", makes={"model": "tfx.Model"})
    selector = {"producerSubtask": "copy", "outputArtifactKey": "out"}
    builder.components["group"] = {
        "dag": {
            "tasks": inner,
            "outputs": {
                "artifacts": {"out": {"artifactSelectors": [selector]}},
                "parameters": {
                    "n": {"valueFromParameter": {"producerSubtask": "double", "outputParameterKey": "n"}}
                },
            },
        },
        "inputDefinitions": {
            "parameters": {"start": {"parameterType": "NUMBER_INTEGER"}}, "artifacts": {"given": artifact_type()},
        },
        "outputDefinitions": {
            "parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}, "artifacts": {"out": artifact_type()},
        },
    }  # fmt: skip
    builder.tasks["group"] = {
        "taskInfo": {"name": "group"}, "componentRef": {"name": "group"},
        "inputs": {
            "parameters": {"start": {"runtimeValue": {"constant": 4}}},
            "artifacts": {"given": {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "model"}}},
        },
    }  # fmt: skip
    builder.step("use", "print(read('text'), parameter('n'))", takes={"text": ("group", "out")},
                 parameters={"n": output("group", "n")})  # fmt: skip
    assert emulate(builder.job()).said("use") == ["text! 8.0"]


def test_branches_run_at_the_same_time(emulate: Emulator) -> None:
    builder = Builder()
    program = (
        "folder = os.path.dirname(os.path.dirname(outputs['outputFile'])); "
        "open(os.path.join(folder, '{own}'), 'w'); "
        "limit = time.time() + 60\n"
        "while not os.path.exists(os.path.join(folder, '{other}')):\n"
        "    assert time.time() < limit\n"
        "    time.sleep(0.01)\n"
    )
    builder.step("left", program.format(own="l", other="r"))
    builder.step("right", program.format(own="r", other="l"))
    assert emulate(builder.job()).states == {"left": "done", "right": "done"}


@pytest.mark.parametrize(("blessed", "state"), [(1, "done"), (0, "skipped")])
def test_conditions_on_artifacts(emulate: Emulator, blessed: int, state: str) -> None:
    builder = Builder()
    builder.step(
        "judge", f"write('blessing', ''); finish({{}}, {{'blessing': {{'blessed': {blessed}}}}})",
        makes={"blessing": "tfx.ModelBlessing"},
    )  # fmt: skip
    condition = "(inputs.artifacts['_judge.blessing'].artifacts[0].metadata['blessed'] == 1.0)"
    builder.step(
        "push",
        "pass",
        takes={"_judge.blessing": ("judge", "blessing")},
        task={"triggerPolicy": {"condition": condition}},
    )
    builder.step("tell", "pass", after=["push"])
    assert emulate(builder.job()).states == {"judge": "done", "push": state, "tell": state}


def test_condition_on_what_is_not_there_fails_the_step(emulate: Emulator) -> None:
    builder = Builder()
    builder.step("judge", "write('blessing', '')", makes={"blessing": "tfx.ModelBlessing"})
    condition = "inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0"
    builder.step("push", "pass", takes={"b": ("judge", "blessing")}, task={"triggerPolicy": {"condition": condition}})
    outcome = emulate(builder.job())
    assert outcome.states == {"judge": "done", "push": "failed"}
    assert outcome.error.startswith(f"push: the condition {condition} has no value: KeyError")


@pytest.mark.parametrize("good", [True, False])
def test_exit_handler_gets_the_final_status(emulate: Emulator, good: bool) -> None:
    builder = Builder()
    builder.step("work", "pass" if good else "sys.exit(1)")
    inner = dict(builder.tasks)
    builder.tasks.clear()
    builder.step(
        "notify", "print(parameter('status'))",
        parameters={"status": {"taskFinalStatus": {"producerTask": "tfx-dag"}}}, after=["tfx-dag"],
        task={"triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}},
    )  # fmt: skip
    builder.components["tfx-dag"] = {"dag": {"tasks": inner}}
    builder.tasks["tfx-dag"] = {"taskInfo": {"name": "tfx-dag"}, "componentRef": {"name": "tfx-dag"}}
    outcome = emulate(builder.job())
    status = json.loads(outcome.said("notify")[0])
    assert outcome.states == {"work": "done" if good else "failed", "notify": "done"}
    assert (status["state"], status["pipelineTaskName"]) == ("SUCCEEDED" if good else "FAILED", "tfx-dag")
    assert status["pipelineJobName"] == outcome.board.run_id
    assert bool(status["error"]) is not good
    assert outcome.error == ("" if good else f"work: ended with exit code 1 (log: {outcome.folder}/logs/work.log)")
