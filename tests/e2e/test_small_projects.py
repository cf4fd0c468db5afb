"""Each small project is trained, evaluated, exported as it asks, and answers the same by the server and by file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.releases.release_store import Store
from tests.e2e.small_projects import PROJECTS
from tests.forking import run_hilir
from tests.integration.serving.server_process import running

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def hilir_run(folder: Path) -> subprocess.CompletedProcess[str]:
    return run_hilir(["run", "--json"], cwd=folder)


@pytest.mark.parametrize("name", PROJECTS)
def test_a_small_project_is_pushed_and_served(name, tmp_path):
    project = PROJECTS[name]
    project.write(tmp_path)
    done = hilir_run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["version"] == 1
    assert all(np.isfinite(value) for value in result["metrics"].values())
    wanted = project.export.partition("variants: [")[2].partition("]")[0].split(", ")
    assert sorted(result["exports"].get("tflite", {"kept": [""]})["kept"]) == sorted(wanted)
    models = tmp_path / "out" / "models"
    with running(model_name="small", model_base_path=str(models / "small")) as server:
        assert replay_golden(Store(models), "small", 1, [server.base], RestCaller()) == 8
        if name == "columns of true and false":
            body = {"instances": [{"aktiv": value, "alter": 40} for value in (True, "True", False, None)]}
            answers = server.post("small:predict", body).json()["predictions"]
            assert answers[0] == answers[1]
            assert answers[0] != answers[2]


def test_a_model_of_keras_3_is_refused_before_the_training(tmp_path):
    project = PROJECTS["dates"]
    project.write(tmp_path)
    model = tmp_path / "pkg" / "model.py"
    model.write_text(model.read_text().replace("import tf_keras as keras", "import keras"))
    done = hilir_run(tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == (
        "hilir: Preflight: pkg.model.build_model returned a Functional of Keras 3; hilir trains models of Keras 2: "
        "write 'import tf_keras as keras' instead of 'import keras'"
    )
