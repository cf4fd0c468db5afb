"""A rollout on an endpoint: steps of the traffic, guardrails, and gates that there are not."""

from __future__ import annotations

import json

import pytest

from tests.contract.vertex.push.endpoint_state import UPDATE, shares

PLAN = ("--steps", "10,50,100", "--hold", "0s", "--every", "0.05s")


@pytest.fixture
def deployed(vertex, pushed, config, tmp_path):
    """Version 1 serves, version 2 is deployed without traffic; the words of a rollout."""
    pushed(1)
    pushed(2, traffic=0)
    assert shares(vertex) == {"taxi-v1": 100}
    return "vertex", "rollout", *config, "2", "--state", str(tmp_path / "state")


@pytest.fixture
def rollout(hilir, deployed):
    def run(*words: str, code: int = 0):
        return hilir(*deployed[:2], deployed[2], *deployed[5:6], *deployed[3:5], *deployed[6:], *words, code=code)

    return run


def splits(vertex) -> list[dict[str, int]]:
    found = [{key: share for key, share in split.items() if share} for split in vertex.endpoints.splits]
    return [split for number, split in enumerate(found) if not number or split != found[number - 1]]


def test_the_traffic_moves_step_by_step_and_always_sums_to_100(vertex, rollout, tmp_path) -> None:
    done = rollout(*PLAN)
    assert "no guardrail is given: each step only lasts its time; errors and latency are not compared here" in done.out
    assert "step 2 of 3: version 2 gets 50 %" in done.out
    assert shares(vertex) == {"taxi-v2": 100}
    candidate = [sorted(split.values()) for split in splits(vertex)[-4:]]
    assert candidate == [[100], [10, 90], [50, 50], [100]]
    state = json.loads((tmp_path / "state/taxi/release.json").read_text())
    assert [event["verb"] for event in state["history"]][-5:] == ["stage", "rollout", "rollout", "rollout", "promote"]
    assert "version 2 is stable already" in rollout(*PLAN).out


def test_a_guardrail_takes_the_traffic_back(vertex, rollout, tmp_path) -> None:
    script = tmp_path / "guard.sh"
    script.write_text("#!/bin/sh\ngrep -q '\"percent\": 50' && { echo 'complaints doubled'; exit 1; }\nexit 0\n")
    script.chmod(0o755)
    done = rollout(*PLAN, "--guardrail", str(script), code=5)
    assert "at 50 %: guardrail" in done.said
    assert "exit code 1: complaints doubled" in done.said
    assert shares(vertex) == {"taxi-v1": 100}
    assert "was rolled back at" in rollout(*PLAN, code=5).said


@pytest.mark.parametrize("gate", ["errors", "latency"])
def test_gates_without_figures_are_refused_by_name(vertex, rollout, gate) -> None:
    before = len(vertex.store.made(UPDATE))
    assert f"--gate {gate}: Vertex AI has no {gate} per deployed version" in rollout("--gate", gate, code=3).err
    assert "1.5 % cannot be given on Vertex AI; write whole percentages" in rollout("--steps", "1.5,100", code=3).err
    assert len(vertex.store.made(UPDATE)) == before


def test_what_is_not_deployed_or_shares_traffic_is_refused(vertex, hilir, rollout, config) -> None:
    hilir("vertex", "traffic", *config, "1=60", "2=40")
    assert "the traffic goes to v1 60 %, v2 40 %; a rollout begins with one version" in rollout(*PLAN, code=5).err
    first, *rest = config
    assert "version 9 is not deployed; there are: v2, v1" in hilir("vertex", "rollout", first, "9", *rest, code=5).err
