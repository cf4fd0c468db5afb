"""Checks the image from inside, as the user that it runs as: `python image/check.py`; the build fails where this fails.

After `hilir doctor`: what may be written, bytecode, Beam's boot program, and a model's way through both environments.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
CONVERTER = HOME / ".venv-tfjs/bin/python"
WRITABLE = {"data", "out", "runs"}


def convert() -> None:
    """Saves a model with this environment and converts it with that of TensorFlow.js."""
    import tensorflow as tf

    class Line(tf.Module):
        def __init__(self) -> None:
            self.slope = tf.Variable(tf.random.normal([64, 64]))

        @tf.function(input_signature=[tf.TensorSpec([None, 64])])
        def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": tf.matmul(x, self.slope)}

    with tempfile.TemporaryDirectory() as folder:
        line = Line()
        tf.saved_model.save(line, f"{folder}/model", signatures={"edge": line.__call__})
        variants = {name: f"{folder}/{name}" for name in ("float32", "float16", "uint8")}
        job = {"saved_model": f"{folder}/model", "signature": "edge", "shard_bytes": 1 << 22, "variants": variants}
        Path(folder, "job.json").write_text(json.dumps(job))
        script = str(HOME / "components/exporter/tfjs/tfjs_convert.py")
        subprocess.run([str(CONVERTER), script, f"{folder}/job.json"], check=True)
        modules = HOME / "deploy/browser"
        subprocess.run(["node", "-e", "import('@tensorflow/tfjs').then((tf) => tf.ready())"], cwd=modules, check=True)
        assert all(Path(each, "model.json").exists() for each in variants.values())
        assert tf.lite.TFLiteConverter.from_saved_model(f"{folder}/model", signature_keys=["edge"]).convert()


def check_tensorflow() -> None:
    """Looks whether TensorFlow can use what the image is built for: CUDA's libraries are there if its kernels are."""
    import tensorflow as tf

    libraries = importlib.util.find_spec("nvidia") is not None
    assert tf.test.is_built_with_cuda() == libraries, f"CUDA's libraries: {libraries}, TensorFlow's kernels: not so"


def check_files() -> None:
    """Looks for what should not be writable, lacks bytecode or is a tool of builders."""
    assert os.getuid() != 0, "runs as root"
    assert os.access("/opt/apache/beam/boot", os.X_OK), "there is no /opt/apache/beam/boot"
    writable = {path.name for path in HOME.iterdir() if os.access(path, os.W_OK)}
    assert writable == WRITABLE, f"writable: {writable}"
    for package in ("pipeline", "components", "serving", ".venv/lib/python3.11/site-packages/tfx"):
        sources = [path for path in (HOME / package).rglob("*.py") if "__pycache__" not in path.parts]
        bare = [
            str(path) for path in sources if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
        ]
        assert sources, f"there is no {package}"
        assert not bare, f"without bytecode: {bare[:5]}"
    tools = [tool for tool in ("gcc", "g++", "make", "git") if any(Path(p, tool).exists() for p in os.get_exec_path())]
    assert not tools, f"there are {tools}"


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    check_files()
    check_tensorflow()
    if CONVERTER.exists():
        convert()
    print("the image is complete")
