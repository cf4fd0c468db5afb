"""The machine-hours of a job: the likely ones, and the most."""

import json

from hilir.pipeline.spec.cost import DEFAULT_HOURS, find_bound
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.spec.specification import parse
from tests.unit.pipeline.emulator.specs import Builder


def diamond() -> Builder:
    """First, then Left and Right, then Last."""
    builder = Builder()
    builder.step("First", "")
    builder.step("Left", "", after=["First"])
    builder.step("Right", "", after=["First"])
    builder.step("Last", "", after=["Left", "Right"])
    return builder


def test_each_step_counts_once():
    bound = find_bound(parse(diamond().job()))
    assert bound.machine_hours == 4 * DEFAULT_HOURS
    assert [demand.step for demand in bound.demands] == ["First", "Left", "Right", "Last"]


def test_the_bound_of_a_job_of_many_steps_is_found_at_once():
    builder = Builder()
    for number in range(200):
        builder.step(f"Step{number}", "", after=[f"Step{number - 2}"] if number > 1 else [])
    assert find_bound(parse(builder.job())).machine_hours == 200 * DEFAULT_HOURS


def test_attempts_and_machines_count():
    builder = diamond()
    builder.tasks["Left"]["retryPolicy"] = {"maxRetryCount": 2}
    resources = {"cpuLimit": 8.0, "memoryLimit": 32.0, "accelerator": {"type": "NVIDIA_L4", "count": "2"}}
    builder.executors["Left_executor"]["container"]["resources"] = resources
    left = next(demand for demand in find_bound(parse(builder.job())).demands if demand.step == "Left")
    assert (left.attempts, left.machine) == (3, "(8 cores, 32 GB, 2 NVIDIA_L4)")


def test_training_pools_and_dataflow_workers_count():
    builder = diamond()
    pools = [
        {"machine_spec": {"machine_type": "a2-highgpu-1g", "accelerator_type": "A100"}, "replica_count": 1},
        {"machine_spec": {"machine_type": "n1-standard-8"}, "replica_count": 3},
    ]
    payload = {"job_spec": {"worker_pool_specs": pools, "scheduling": {"timeout": "7200s"}}}
    container = builder.executors["Left_executor"]["container"]
    container |= {"command": ["python3", "-m", LAUNCHER], "args": ["--payload", json.dumps(payload)]}
    container = builder.executors["Right_executor"]["container"]
    container["args"] = ["--runner=DataflowRunner", "--max_num_workers=10", "--worker_machine_type=n2-standard-4"]
    bound = find_bound(parse(builder.job()))
    demands = {(demand.step, demand.machine): (demand.count, demand.hours) for demand in bound.demands}
    assert demands["Left (training)", "a2-highgpu-1g with 1 A100"] == (1, 2)
    assert demands["Left (training)", "n1-standard-8"] == (3, 2)
    assert demands["Right (Dataflow)", "n2-standard-4"] == (10, DEFAULT_HOURS)


def test_the_table_has_the_likely_and_the_most_hours_of_each_machine():
    builder = Builder()
    builder.step("First", "")
    builder.step("Left", "", after=["First"], task={"retryPolicy": {"maxRetryCount": 2}})
    machine = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2}
    pools = [{"machine_spec": machine, "replica_count": 1}, {"machine_spec": {"machine_type": "n1-standard-8"}}]
    payload = {"job_spec": {"worker_pool_specs": pools, "scheduling": {"timeout": "86400s"}}}
    container = builder.executors["Left_executor"]["container"]
    container |= {"command": ["python3", "-m", LAUNCHER], "args": ["--payload", json.dumps(payload)]}
    assert find_bound(parse(builder.job())).lines == [
        "step             machines                                  attempts  hours each at most",
        "First            1 x e2-standard-4                         1         168",
        "Left             1 x e2-standard-4                         3         168",
        "Left (training)  1 x n1-standard-8 with 2 NVIDIA_TESLA_T4  3         24",
        "Left (training)  1 x n1-standard-8                         3         24",
        "",
        "machine                               likely machine-hours  at most",
        "e2-standard-4                         2                     672",
        "n1-standard-8 with 2 NVIDIA_TESLA_T4  24                    72",
        "n1-standard-8                         24                    72",
        "",
        "likely: each step runs once, for as long as its own limit or else for 1 h (a guess)",
        "at most: every attempt fails at its limit, which is 168 h for a step without its own",
        "A step that asks for no machine gets e2-standard-4.",
    ]
