"""Gates on answers: drift against stable at the same time, and differences on copied requests."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from hilir.serving.releases.rollout_plan import Gates, Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.gates import Decision
from hilir.serving.rollout.predictions import PredictionDrift, ShadowDifferences, split_outputs
from hilir.serving.rollout.step_predictions import StepLog
from hilir.serving.server.telemetry.log_files import tf_record

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
STATE = State.model_validate(
    {
        "model": "m", "served_root": "/", "split": {"stable": 100.0},
        "versions": {"1": {"manifest": "h"}, "2": {"manifest": "h"}}, "labels": {"stable": 1, "candidate": 2},
    }
)  # fmt: skip


@pytest.fixture
def log(tmp_path):
    """Writes predictions to the log: (seconds after the step's beginning, request, version, outputs)."""
    path = tmp_path / "log.jsonl"

    def write(*lines, file=path):
        with file.open("a") as out:
            for seconds, request, version, outputs in lines:
                entry = {
                    "time": SINCE.timestamp() + seconds, "request_id": request, "model": "m", "version": version,
                    "label": "", "signature": "s", "inputs": {}, "outputs": outputs,
                }  # fmt: skip
                out.write(json.dumps(entry, separators=(",", ":")) + "\n")

    path.touch()
    write.prefix, write.path = str(tmp_path / "log"), path
    return write


def plan(log, percent: float = 10.0, **gates) -> Rollout:
    gates = {"request_log": (log.prefix,), "min_requests": 100, **gates}
    return Rollout(
        version=2, steps=(percent, 100.0), hold_seconds=1, shadow=10.0, since=SINCE.isoformat(), gates=Gates(**gates)
    )


def scores(seed: int, n: int, shift: float = 0.0) -> list:
    return [[[float(x)]] for x in np.random.default_rng(seed).normal(shift, 1.0, n)]


@pytest.mark.parametrize(
    ("shift", "level", "decision"),
    [
        (0.0, "alarm", Decision.CONTINUE),
        (0.5, "alarm", Decision.CONTINUE),
        (0.5, "warn", Decision.ROLL_BACK),
        (1.5, "alarm", Decision.ROLL_BACK),
    ],
)
def test_a_shift_of_the_predictions_rolls_back_from_the_level_on(log, shift, level, decision):
    log(*((1, f"a{i}", 1, {"y": y}) for i, y in enumerate(scores(1, 1000))))
    log(*((1, f"b{i}", 2, {"y": y}) for i, y in enumerate(scores(2, 500, shift))))
    verdict = PredictionDrift(StepLog([log.prefix])).judge(STATE, plan(log, drift=level), over=True)
    assert verdict.decision is decision, verdict
    assert "(500 predictions against 1,000)" in verdict.fact


def test_it_waits_for_predictions_and_looks_once(log):
    gate = PredictionDrift(StepLog([log.prefix]))
    assert gate.judge(STATE, plan(log), over=False) is None
    log(*((1, f"a{i}", version, {"y": y}) for version in (1, 2) for i, y in enumerate(scores(version, 150))))
    waiting = gate.judge(STATE, plan(log), over=True)
    assert (waiting.decision, "150 logged predictions" in waiting.fact) == (Decision.WAIT, True)
    log(*((2, f"b{i}", version, {"y": y}) for version in (1, 2) for i, y in enumerate(scores(version, 150))))
    found = gate.judge(STATE, plan(log), over=True)
    log(*((3, f"c{i}", 2, {"y": [[9.0]]}) for i in range(5000)))
    assert gate.judge(STATE, plan(log), over=True) is found
    assert PredictionDrift(StepLog([log.prefix])).judge(STATE, plan(log), over=True).decision is Decision.ROLL_BACK


def test_only_this_step_this_model_and_whole_lines_are_read(log):
    log((-5, "early", 1, {"y": [[1.0]]}), (5, "here", 1, {"y": [[1.0]]}))
    log((4, "rotated", 2, {"y": [[2.0]]}), file=log.path.with_name("log-00000000000000000001.jsonl"))
    with log.path.open("a") as out:
        out.write("not json\n" + '{"time":9999999999.0,"request_id":"torn"')
    step = StepLog([log.prefix])
    step.begin(SINCE.isoformat())
    assert [each.request_id for each in step.read("m")] == ["rotated", "here"]
    assert list(step.read("other")) == []


def test_of_tensorflow_servings_own_log_what_was_there_before_the_step_is_left_out(tmp_path):
    from tensorflow_serving.apis import prediction_log_pb2

    def record(version: int, value: float) -> bytes:
        log = prediction_log_pb2.PredictionLog()
        log.log_metadata.model_spec.name = "m"
        log.log_metadata.model_spec.version.value = version
        tensor = log.predict_log.response.outputs["y"]
        tensor.dtype = 1
        for size in (1, 1):
            tensor.tensor_shape.dim.add().size = size
        tensor.float_val.append(value)
        return tf_record(log.SerializeToString())

    path = tmp_path / "served.tfrecord"
    path.write_bytes(b"".join(record(1, 9.0) for _ in range(300)))
    step = StepLog([str(tmp_path / "served")])
    step.begin(SINCE.isoformat())
    assert list(step.read("m")) == []
    with path.open("ab") as file:
        file.write(record(1, 2.0) + record(2, 3.0) + record(2, 4.0)[:-3])
    step.begin(SINCE.isoformat())
    assert [(each.version, each.outputs["y"]) for each in step.read("m")] == [(1, [[2.0]]), (2, [[3.0]])]


def test_copies_are_compared_request_by_request(log):
    for number, y in enumerate(scores(1, 300)):
        log((1, f"r{number}", 1, {"y": y}), (1, f"r{number}", 2, {"y": [[y[0][0] + 0.01]]}))
    verdict = ShadowDifferences(StepLog([log.prefix])).judge(STATE, plan(log, 0.0), over=True)
    assert verdict.decision is Decision.CONTINUE
    assert "0 of 300 requests flip" in verdict.fact
    assert "y differs by +0.01 on average (" in verdict.fact


def test_too_many_flips_roll_back_and_some_more_than_allowed_wait(log):
    for number in range(300):
        classes = [[0.9, 0.1]], [[0.1, 0.9]]
        log((1, f"r{number}", 1, {"p": classes[0]}), (1, f"r{number}", 2, {"p": classes[number % 2]}))
    verdict = ShadowDifferences(StepLog([log.prefix])).judge(STATE, plan(log, 0.0), over=True)
    assert (verdict.decision, "150 of 300 requests flip" in verdict.fact) == (Decision.ROLL_BACK, True)
    assert (
        ShadowDifferences(StepLog([log.prefix])).judge(STATE, plan(log, 0.0, max_flips=0.48), over=True).decision
        is Decision.WAIT
    )
    few = ShadowDifferences(StepLog([log.prefix])).judge(STATE, plan(log, 0.0, min_requests=1000), over=True)
    assert (few.decision, "300 requests were logged with both answers" in few.fact) == (Decision.WAIT, True)


@pytest.mark.parametrize(
    ("outputs", "values"),
    [
        ({"y": [[1.0], [2.0]]}, {"y": [1.0, 2.0]}),
        ({"p": [[0.1, 0.7, 0.2]]}, {"p": ["class 1"]}),
        ({"c": [["a"], [b"b"]], "m": [[1.0], ["x"]], "e": [], "n": [[]], "i": [[0.0] * 2000]}, {"c": ["a", "b"]}),
    ],
)
def test_outputs_become_one_value_a_row(outputs, values):
    assert split_outputs(outputs) == values
