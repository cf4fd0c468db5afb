"""Which data the runs of a schedule read: a schedule freezes its parameters, so spans are chosen inside the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hilir.pipeline.vertex.compile.containers import find_task

# What ExampleGen replaces when a run begins (tfx/components/example_gen/utils.py).
_SPAN = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(:\d+)?\}")
_STEP = "ExampleGen"


def find_fixed_data(job: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    """Returns a line to tell the user if each run reads the same path, None if it looks for the newest span.

    None also where the path is not known before the job runs.

    Args:
        job: the compiled job.
        values: the parameters that the schedule freezes.
    """
    task = find_task(dict(job), _STEP)
    if task is None:
        return None
    inputs = task.get("inputs", {}).get("parameters", {})
    base = str(_value(inputs.get("input_base", {}), values))
    config = str(_value(inputs.get("input_config", {}), values))
    if not base or _SPAN.search(base + config):
        return None
    try:
        pattern = json.loads(config)["splits"][0]["pattern"]
    except (ValueError, KeyError, IndexError, TypeError):
        pattern = "*"
    return (
        f"note: each run reads {base.rstrip('/')}/{pattern}, which names no span; put {{SPAN}} or {{YYYY}}{{MM}}{{DD}} "
        f"into data.pattern for runs that look for the newest data themselves"
    )


def _value(source: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    if "componentInputParameter" in source:
        return values.get(source["componentInputParameter"], "")
    return source.get("runtimeValue", {}).get("constant", "")
