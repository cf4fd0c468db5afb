"""Converts SavedModels to TensorFlow.js graph models; runs in .venv-tfjs, whose packages do not go with the others'.

Usage: python tfjs_convert.py JOB.json, with {"saved_model", "signature", "shard_bytes", "variants": {name: folder},
"inputs": {parameter: name}}; without the last one the inputs have the names of their parameters.
All variants are converted in one process, because its start alone takes seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf

# The converter imports these on its way, for models of JAX and of decision forests; the environment is made without.
for _absent in ("tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"):
    sys.modules[_absent] = ModuleType(_absent)

# The environment has no types, and the project's own has no tensorflowjs.
from tensorflowjs.converters import tf_saved_model_conversion_v2 as converter  # type: ignore[import-not-found]  # noqa: E402


def main(job_path: str) -> None:
    """Writes model.json and its shards for each variant."""
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    function = tf.saved_model.load(job["saved_model"]).signatures[job["signature"]]
    for name, folder in job["variants"].items():
        converter.convert_tf_saved_model(
            job["saved_model"],
            folder,
            signature_def=job["signature"],
            saved_model_tags="serve",
            quantization_dtype_map=None if name == "float32" else {name: "*"},
            weight_shard_size_bytes=job["shard_bytes"],
        )
        name_tensors(Path(folder) / "model.json", function, job.get("inputs", {}))


def name_tensors(path: Path, function: Any, inputs: dict[str, str]) -> None:
    """Gives the inputs and outputs in model.json the names that the signature has for them.

    The converter guesses them from types and shapes, and gives up where two are alike. The order of a signature's
    tensors is that of its sorted parameters, or of their sorted names. `inputs`: names by parameter.
    """
    model = json.loads(path.read_text(encoding="utf-8"))
    parameters = sorted(function.structured_input_signature[1])
    names = {
        "inputs": dict(
            zip((t.name for t in function.inputs), (inputs.get(name, name) for name in parameters), strict=False)
        ),
        "outputs": dict(zip((t.name for t in function.outputs), sorted(function.structured_outputs), strict=True)),
    }
    for kind, known in names.items():
        tensors = model["signature"][kind].values()
        model["signature"][kind] = {known[tensor["name"]]: tensor for tensor in tensors}
    path.write_text(json.dumps(model), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
