"""The step of the push, where it has nothing to push or nowhere to push it to."""

from __future__ import annotations

import pytest

from hilir.components.vertex.errors import VertexError


@pytest.fixture
def artifacts(tmp_path):
    """Returns input and output of the step, for a version that the Pusher has pushed or not."""
    from tfx.types import standard_artifacts

    def make(*, pushed: bool, destination: str = ""):
        version, deployed = standard_artifacts.PushedModel(), standard_artifacts.PushedModel()
        version.set_int_custom_property("pushed", int(pushed))
        version.set_string_custom_property("pushed_version", "3")
        version.set_string_custom_property("pushed_destination", destination)
        deployed.uri = str(tmp_path / "deployed")
        return {"version": [version]}, {"deployed_model": [deployed]}

    return make


@pytest.fixture
def settings() -> dict[str, str]:
    from hilir.pipeline.config import load
    from hilir.pipeline.config.target import make_target

    config = load("configs/taxi.yaml", settings=["vertex.project=p", "vertex.push.enabled=true"]).config
    return {"settings": make_target(config).model_dump_json()}


def test_model_that_was_not_blessed_goes_nowhere(artifacts, settings):
    from hilir.components.vertex_pusher.executor import Executor

    inputs, outputs = artifacts(pushed=False)
    Executor().Do(inputs, outputs, settings)
    assert outputs["deployed_model"][0].get_int_custom_property("pushed") == 0


def test_version_on_this_machine_is_refused_before_anything_is_sent(artifacts, settings):
    from hilir.components.vertex_pusher.executor import Executor

    inputs, outputs = artifacts(pushed=True, destination="out/models/taxi/3")
    with pytest.raises(VertexError, match=r"the version is in out/models/taxi/3 on this machine, .* set serving\.root"):
        Executor().Do(inputs, outputs, settings)
