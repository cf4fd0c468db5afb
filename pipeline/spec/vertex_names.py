"""The names that Vertex AI takes; they also become parts of paths, so that an emulation asks for the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hilir.pipeline.spec.specification import Specification

# tfx/orchestration/kubeflow/v2/pipeline_builder.py, _LEGAL_NAME_PATTERN
_PIPELINE = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
# Without '.', so that no output is called like executor_output.json, which is in the same folder.
_OUTPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")


def check_names(parsed: Specification) -> Iterator[str]:
    """Yields a sentence for each name of a pipeline, task, output or parameter that Vertex AI would refuse."""
    if not _PIPELINE.fullmatch(parsed.name):
        yield f"the pipeline's name '{parsed.name}': Vertex AI takes a-z, 0-9 and '-', at most 128 of them; rename it"
    components = {"root": parsed.spec.root, **parsed.spec.components}
    for component in components.values():
        for step in sorted(component.dag.tasks):
            if not _TASK.fullmatch(step):
                yield f"step '{step}': Vertex AI takes letters, digits, '.', '_' and '-', at most 128; rename it"
    for name, component in sorted(components.items()):
        outputs = component.output_definitions
        for key in sorted([*outputs.artifacts, *outputs.parameters]):
            if not _OUTPUT.fullmatch(key):
                yield f"component {name}, output '{key}': Vertex AI takes letters, digits, '_' and '-'; rename it"
    for parameter in sorted(parsed.spec.root.input_definitions.parameters):
        if not _PARAMETER.fullmatch(parameter):
            yield f"parameter '{parameter}': Vertex AI takes letters, digits, '_' and '-'; rename it"
