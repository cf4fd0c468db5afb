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

import hilir
from hilir.setup.folders import find_folder

HOME = Path(__file__).resolve().parents[1]
PACKAGE = Path(hilir.__file__).parent
CONVERTER = find_folder("tfjs") / "bin" / "python"
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
        script = str(PACKAGE / "components/exporter/tfjs/tfjs_convert.py")
        subprocess.run([str(CONVERTER), script, f"{folder}/job.json"], check=True)
        program = "import('@tensorflow/tfjs').then((tf) => tf.ready())"
        subprocess.run(["node", "-e", program], cwd=find_folder("browser"), check=True)
        assert all(Path(each, "model.json").exists() for each in variants.values())
        assert tf.lite.TFLiteConverter.from_saved_model(f"{folder}/model", signature_keys=["edge"]).convert()


def check_tensorflow() -> None:
    """Looks whether TensorFlow can use what the image is built for: CUDA's libraries are there if its kernels are."""
    import tensorflow as tf

    libraries = importlib.util.find_spec("nvidia") is not None
    assert tf.test.is_built_with_cuda() == libraries, f"CUDA's libraries: {libraries}, TensorFlow's kernels: not so"


def check_project() -> None:
    """Looks whether the examples can be imported from any folder, as the steps do."""
    for model in ("taxi", "digits"):
        spec = importlib.util.find_spec(f"models.{model}.model")
        assert spec is not None, f"models.{model} cannot be imported"
        assert Path(str(spec.origin)).is_relative_to(HOME / "models"), f"models.{model} is in {spec.origin}"


def check_files() -> None:
    """Looks for what should not be writable, lacks bytecode or is a tool of builders."""
    assert os.getuid() != 0, "runs as root"
    assert os.access("/opt/apache/beam/boot", os.X_OK), "there is no /opt/apache/beam/boot"
    writable = {path.name for path in HOME.iterdir() if os.access(path, os.W_OK)}
    assert writable == WRITABLE, f"writable: {writable}"
    assert PACKAGE.parent.name == "site-packages", f"hilir is in {PACKAGE}"
    for package in (PACKAGE, PACKAGE.parent / "tfx", HOME / "models"):
        sources = [path for path in package.rglob("*.py") if "__pycache__" not in path.parts]
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
    check_project()
    check_tensorflow()
    if CONVERTER.exists():
        convert()
    print("the image is complete")
