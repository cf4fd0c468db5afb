"""`hilir new` on tables of packages and on generated ones: kinds, and over five salts the bound (`make test-new`)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hilir.pipeline.project.create import Wish, design_project, write_project
from hilir.pipeline.triggers.daemon.firing_policy import NOT_BLESSED
from tests.forking import run_hilir
from tests.new.tables import GENERATED, PACKAGES, SKLEARN, write_table

pytestmark = pytest.mark.slow
SALTS = [f"salt {number}" for number in range(1, 1 + int(os.environ.get("HILIR_SALTS", "5")))]
MOST_LINES, COLUMNS = 200, 20


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [*SKLEARN, *GENERATED, *PACKAGES])
def test_table(name, project, request):
    packages = request.getfixturevalue("packages") if name in PACKAGES else project
    path, case = write_table(name, project, packages)
    design = design_project(Wish(f"{name.replace('_', '-')}-table", Path(path.name), case.label, **case.options))
    found = {column.name: column.kind for column in design.columns if not column.is_feature}
    assert found == dict(case.kinds)
    written, _ = write_project(design, project)
    code = [
        line for file in written if file.endswith((".py", f"{design.name}.yaml")) for line in _lines(project / file)
    ]
    assert len(code) <= MOST_LINES + max(0, len(design.columns) - COLUMNS)
    values = []
    for salt in SALTS:
        # Rows of one group, or of one time, are on one side whatever the salt.
        key = "train.seed" if design.group or design.time else "data.split.salt"
        value = SALTS.index(salt) if key == "train.seed" else salt
        # Each in a process of its own: what TensorFlow keeps of a run, 0.2 GB, would add up.
        done = run_hilir(["run", f"{design.name}.yaml", "--json", "--set", f"{key}={value}"], cwd=project)
        assert done.returncode in (0, NOT_BLESSED), done.stdout + done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])
        values.append(summary["metrics"]["rmse" if design.baseline.metric == "r2" else design.baseline.metric])
        print(f"{name} {salt}: {values[-1]:.4f} {summary['reasons']}")
    mean = float(np.mean(values))
    baseline = design.baseline
    print(
        f"{name}: mean {mean:.4f}, linear {baseline.linear:.4f}, trees {baseline.trees:.4f}, bound {baseline.bound:.4f}"
    )
    if baseline.metric == "r2":
        assert mean <= baseline.rmse
    else:
        assert mean >= baseline.bound


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
