"""Compiles a built pipeline for Vertex AI; needs neither network nor credentials."""

from __future__ import annotations

from typing import Any

from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.orchestration.pipeline import Pipeline

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.compile import identity, lint, patches, runtime_parameters, training, unsupported

# Replaces each step's image where the configuration names none, so that all other faults are found in the same go.
NO_IMAGE = "no-image"


def compile_pipeline(pipeline: Pipeline, config: Config) -> dict[str, Any]:
    """Returns the pipeline job (schema 2.1.0) as JSON values.

    Args:
        pipeline: as `hilir.pipeline.graph.build` returns it, without a metadata store.
        config: the same configuration.

    Raises:
        ConfigError: with everything that could not run on Vertex AI, each with the alternative.
    """
    faults = lint.check_config(config) + _check_tuning(config)
    blocking = unsupported.check_nodes(pipeline)
    if blocking:
        raise ConfigError(faults + blocking)
    job = _translate(pipeline, config)
    faults += patches.apply_patches(job, config)
    faults += runtime_parameters.expose(job, config)
    if config.vertex.training.pools and not faults:
        training.use_pools(job, config)
    identity.write_identity(job, config.vertex)
    # Where a path of the configuration is at fault, the steps that get it have nothing to add.
    faults += lint.check_job(job, values=not faults)
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return job


def _check_tuning(config: Config) -> list[str]:
    tune = config.train.tune
    if not tune.enabled or tune.parallel_trials == 1 or config.vertex.project is not None:
        return []
    return [
        f"vertex.project: is not given, and the {tune.parallel_trials} trials at a time (train.tune.parallel_trials) "
        f"are a job of their own that needs it in the compiled pipeline; give the project's id"
    ]


def _translate(pipeline: Pipeline, config: Config) -> dict[str, Any]:
    images = {"default_image_path": config.vertex.image or NO_IMAGE, **config.vertex.images}
    settings = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image=images, use_pipeline_spec_2_1=True)
    job: dict[str, Any] = kubeflow_v2_dag_runner.KubeflowV2DagRunner(settings).run(pipeline, write_out=False)
    return job
