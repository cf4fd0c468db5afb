"""From a CSV file to a blessed version: `hilir new`, then `hilir run`, in an empty folder."""

import json
from pathlib import Path

import pytest

from tests.forking import run_hilir

pytestmark = pytest.mark.pipeline


def hilir(folder: Path, *arguments: str, code: int = 0) -> str:
    done = run_hilir([*arguments], cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def write_wine(path: Path) -> None:
    """Writes scikit-learn's wines: names with slashes, three classes, and added to them an id and a leak."""
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    frame = bunch.frame.rename(columns={"target": "Rebsorte"})
    frame["Rebsorte"] = [f"Sorte {bunch.target_names[number]}" for number in frame["Rebsorte"]]
    frame.insert(0, "Flaschen-Nr", [f"F{number:04d}" for number in range(len(frame))])
    frame["Regal"] = frame["Rebsorte"].map({name: place for place, name in enumerate(frame["Rebsorte"].unique())})
    frame.to_csv(path, index=False)


def test_a_project_from_a_table_runs_at_once_and_reaches_the_bound(tmp_path):
    write_wine(tmp_path / "wine.csv")
    printed = hilir(tmp_path, "new", "wines", "--data", "wine.csv", "--label", "Rebsorte")
    assert "label Rebsorte: multiclass, 3 different strings" in printed
    lines = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert "id" in lines["Flaschen-Nr"]
    assert "leak" in lines["Regal"]
    assert "number" in lines["malic_acid"]
    assert "9 more of the same" in lines["…"]
    assert printed.splitlines()[-1] == "next: hilir run"
    written = [tmp_path / f"wines/{name}.py" for name in ("features", "preprocessing", "model")]
    code = "".join(path.read_text(encoding="utf-8") for path in [*written, tmp_path / "wines.yaml"])
    assert len(code.splitlines()) <= 200
    # The same command again finds its own files; a changed one is not overwritten.
    assert hilir(tmp_path, "new", "wines", "--data", "wine.csv", "--label", "Rebsorte") == printed
    result = json.loads(hilir(tmp_path, "run", "--json").splitlines()[-1])
    assert result["status"] == "succeeded", result
    assert result["version"] == 1
    predictions = tmp_path / "predictions.csv"
    hilir(tmp_path, "predict", "wine.csv", "--out", str(predictions), "--keep", "Rebsorte")
    rows = [line.split(",") for line in predictions.read_text(encoding="utf-8").splitlines()]
    assert rows[0][:2] == ["Rebsorte", "class"]
    assert sum(row[0] == row[1] for row in rows[1:]) > 0.95 * 178
    (tmp_path / "wines/model.py").write_text("mine")
    hilir(tmp_path, "new", "wines", "--data", "wine.csv", "--label", "Rebsorte", code=3)
    assert (tmp_path / "wines/model.py").read_text() == "mine"


def test_an_example_is_copied_and_checks(tmp_path):
    printed = hilir(tmp_path, "new", "--example", "taxi")
    assert "next: hilir run taxi.yaml" in printed
    hilir(tmp_path, "config", "check", "taxi.yaml")
    assert (tmp_path / "models/taxi/preprocessing.py").is_file()
