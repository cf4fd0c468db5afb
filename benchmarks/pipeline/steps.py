"""One step of a run, alone: its seconds, its processor seconds and the memory of its process.

`python -m benchmarks.pipeline.steps STEP run …` runs `hilir run … --no-cache STEP --from STEP --to STEP` in this
process and prints as JSON what the step cost, without the imports. All steps before it have run.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"

from tfx.orchestration.portable import launcher

from benchmarks.pipeline.ingest import count_processor_seconds
from hilir.pipeline.cli.main import cli


def main() -> None:
    step, *arguments = sys.argv[1:]
    launch = launcher.Launcher.launch
    cost: dict[str, float] = {}

    def measure(node: Any) -> Any:
        before, began = count_processor_seconds(), time.monotonic()
        try:
            return launch(node)
        finally:
            if node._pipeline_node.node_info.id == step:
                cost["wall"] = time.monotonic() - began
                cost["cpu"] = count_processor_seconds() - before
                cost["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    launcher.Launcher.launch = measure
    cli.main([*arguments, "--to", step, "--no-cache", step], prog_name="hilir", standalone_mode=False)
    print(json.dumps(cost | {"load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
