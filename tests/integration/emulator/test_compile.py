"""What TFX's compiler for Vertex AI cannot translate is refused in plain sentences; what it drops is put back."""

from __future__ import annotations

from typing import Any

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from tests.golden.render import SETTINGS


@pytest.fixture(scope="module")
def nodes() -> Any:
    """The components; here, so that collecting the tests does not import TFX."""
    from tests.integration.emulator import nodes

    return nodes


def pipeline(*components: Any) -> Any:
    from tfx.orchestration.pipeline import Pipeline

    return Pipeline(pipeline_name="nodes", pipeline_root="gs://my-bucket/nodes", components=list(components))


def check(*components: Any) -> list[str]:
    from hilir.pipeline.vertex.compile.unsupported import check_nodes

    return check_nodes(pipeline(*components))


def compiled(config: Config, *components: Any) -> Any:
    from hilir.pipeline.vertex.compile.compile import compile_pipeline

    return compile_pipeline(pipeline(*components), config)


def configuration() -> Config:
    overlay = load("configs/digits.yaml", ["configs/overlays/vertex.yaml"], [*SETTINGS, "vertex.parameters=[]"])
    values: dict[str, Any] = overlay.config.model_dump(by_alias=True)
    # The overlay's machines are for steps that these pipelines do not have.
    values["vertex"]["machines"] = {}
    return Config.model_validate(values)


def test_unsupported_nodes_are_named_with_the_alternative(nodes: Any) -> None:
    from tfx import types
    from tfx.components import InfraValidator, Trainer
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
    from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
    from tfx.proto import infra_validator_pb2, range_config_pb2, trainer_pb2
    from tfx.types import standard_artifacts
    from tfx.types.channel_utils import union

    maker = nodes.MakeModel(size=1)
    window = Resolver(
        strategy_class=SpanRangeStrategy,
        config={"range_config": range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=2))},
        examples=types.Channel(type=standard_artifacts.Examples),
    ).with_id("Window")
    several = Resolver(
        strategy_class=LatestArtifactStrategy, config={"desired_num_of_artifacts": 2},
        model=types.Channel(type=standard_artifacts.Model),
    ).with_id("Several")  # fmt: skip
    validator = InfraValidator(
        model=maker.outputs["model"],
        serving_spec=infra_validator_pb2.ServingSpec(tensorflow_serving={"tags": ["latest"]}),
    )
    one, two = nodes.Examples().with_id("One"), nodes.Examples().with_id("Two")
    trainer = Trainer(
        run_fn="a.b", examples=union([one.outputs["examples"], two.outputs["examples"]]),
        train_args=trainer_pb2.TrainArgs(), eval_args=trainer_pb2.EvalArgs(),
    )  # fmt: skip
    faults = "\n".join(check(maker, window, several, validator, one, two, trainer))
    assert "Window: SpanRangeStrategy cannot run on Vertex AI, which has LatestArtifactStrategy" in faults
    assert "Several: asks for 2 artifacts; Vertex AI resolves one per input" in faults
    assert "InfraValidator: InfraValidator cannot run on Vertex AI; leave it out" in faults
    assert "Trainer, input examples: comes from several steps at once" in faults
    assert "MakeModel, note: the artifact type 'Unnamed' is not of the form package.Class" in faults
    assert "MakeModel, note: the artifact type 'Unnamed' declares properties (rows)" in faults


def test_executors_of_the_running_script_are_refused(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes.Use(n=1)
    monkeypatch.setattr(node.executor_spec.executor_class, "__module__", "__main__")
    (fault,) = check(node)
    assert fault.startswith("Use: its executor is defined in the script that is running (__main__)")


def test_parameters_between_steps_have_the_right_producer(nodes: Any) -> None:
    count = nodes.Count()
    use = nodes.Use(n=count.outputs["n"].future()[0].value)
    job = compiled(configuration(), count, use)
    source = job["pipelineSpec"]["root"]["dag"]["tasks"]["Use"]["inputs"]["parameters"]["n"]
    assert source["taskOutputParameter"]["producerTask"] == "Count"


def test_each_step_can_have_its_own_image(nodes: Any) -> None:
    config = configuration()
    images = {"images": {"Use": "host/other:2"}}
    config = config.model_copy(update={"vertex": config.vertex.model_copy(update=images)})
    job = compiled(config, nodes.Count(), nodes.Use(n=1))
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    assert executors["Use_executor"]["container"]["image"] == "host/other:2"
    assert executors["Count_executor"]["container"]["image"] == config.vertex.image


def test_conditions_compile_to_what_the_emulator_understands(nodes: Any) -> None:
    from tfx.dsl.experimental.conditionals import conditional
    from tfx.dsl.placeholder.placeholder import logical_and

    from hilir.pipeline.emulator.refusals import find_refusals
    from hilir.pipeline.spec.specification import parse

    maker = nodes.Count()
    model = maker.outputs["model"].future()[0]
    with conditional.Cond(logical_and(model.uri == "x", model.custom_property("size") != 3)):
        use = nodes.Use(n=1)
    job = compiled(configuration(), maker, use)
    assert "&&" in job["pipelineSpec"]["root"]["dag"]["tasks"]["Use"]["triggerPolicy"]["condition"]
    assert find_refusals(parse(job)) == []


def test_all_faults_come_at_once(nodes: Any) -> None:
    config = load("configs/digits.yaml", (), ["vertex.images={Nobody: a}", "vertex.parameters=[model.name]"]).config
    with pytest.raises(ConfigError) as refusal:
        compiled(config, nodes.Use(n=1))
    places = [fault.partition(":")[0] for fault in refusal.value.faults]
    assert places == ["pipeline.root", "serving.root", "data.path", "schema.path", "vertex.image", "vertex.images",
                      "vertex.parameters"]  # fmt: skip
