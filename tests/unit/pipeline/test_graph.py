"""The graph has the nodes that are named without it."""

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.config.nodes import list_nodes

VERTEX = ("vertex.push.enabled=true", "vertex.project=my-project")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("train.tune.enabled=true", "export.tfjs.variants=[]"),
        ("export.tflite.variants=[]", "export.tfjs.variants=[float32]", "train.warm_start=weights"),
        ("export.tflite.variants=[float32]", *VERTEX),
    ],
)
@pytest.mark.parametrize("own_resolvers", [True, False])
def test_the_nodes_of_a_configuration(settings, own_resolvers):
    from hilir.pipeline.graph import Platform, build
    from hilir.pipeline.inputs import find_inputs

    config = load("configs/digits.yaml", settings=settings).config
    pipeline = build(config, find_inputs(config), Platform(None, own_resolvers))
    here_only = set() if own_resolvers else {"LastPush"}
    assert {node.id for node in pipeline.components} == set(list_nodes(config)) - here_only
    assert [name for name in list_nodes(config) if name == "Tuner"] == ["Tuner"] * config.train.tune.enabled
