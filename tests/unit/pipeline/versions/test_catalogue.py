"""The serving root is read in one place."""

import json

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.versions.catalogue import find_stable, find_version, list_pushed, list_versions, open_root


@pytest.fixture
def root(tmp_path):
    for model, number, manifest in (("taxi", 2, True), ("taxi", 10, True), ("taxi", 3, False), ("digits", 1, True)):
        folder = tmp_path / model / str(number)
        folder.mkdir(parents=True)
        if manifest:
            files = {"saved_model.pb": {"bytes": 5}, "variables/x": {"bytes": 7}}
            content = {"created": "2026-01-01T00:00:00+00:00", "run_id": f"{model}-{number}", "files": files}
            (folder / "manifest.json").write_text(json.dumps(content | {"metrics": {"overall": {"auc": 0.9}}}))
    export = tmp_path / "taxi" / "exports" / "2" / "tfjs"
    export.mkdir(parents=True)
    (export / "export.json").write_text('{"variants": {}}')
    # What a killed push leaves.
    (tmp_path / "taxi" / ".staged-1" / "assets").mkdir(parents=True)
    unfinished = tmp_path / "taxi" / "exports" / "2" / ".staged-2"
    unfinished.mkdir()
    (unfinished / "export.json").write_text("{")
    (tmp_path / ".staged-3").mkdir()
    (tmp_path / "taxi" / "release.json").write_text('{"labels": {"stable": 2}}')
    return tmp_path


def test_versions_are_sorted_by_number_and_those_of_others_left_out(root):
    found = [(version.model.name, version.number) for version in list_pushed(open_root(str(root)))]
    assert found == [("digits", 1), ("taxi", 10), ("taxi", 2)]
    assert [version.number for version in list_versions(root / "taxi")] == [10, 3, 2]


def test_what_is_known_of_a_version(root):
    version = find_version(root / "taxi", 2)
    assert (version.run_id, version.size, version.metrics) == ("taxi-2", 12, {"auc": 0.9})
    assert version.exports == {"tfjs": {"variants": {}}}
    assert find_version(root / "taxi", 10).exports == {}


def test_the_stable_version(root):
    assert find_stable(root / "taxi") == 2
    assert find_stable(root / "digits") is None


def test_a_version_that_is_not_there_is_refused(root):
    with pytest.raises(ConfigError, match=f"{root}/taxi: version 3 does not exist; 'hilir models list'"):
        find_version(root / "taxi", 3)
    with pytest.raises(ConfigError, match="is on an object store"):
        open_root("gs://bucket/models")


@pytest.mark.parametrize(
    "damage",
    [
        {"files": {"x": None}}, {"files": {"x": {"bytes": "5"}}}, {"files": [1]}, {"metrics": {"overall": None}},
        {"metrics": {"overall": {"auc": "x"}}}, {"created": None}, {"run_id": 7},
    ],
)  # fmt: skip
def test_a_damaged_manifest_hides_no_other_version(root, capsys, damage):
    path = root / "taxi" / "10" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(ValueError, match=r"manifest\.json: is not a manifest as hilir writes it"):
        _ = find_version(root / "taxi", 10).manifest
    assert _run(["models", "list", "configs/taxi.yaml", "--set", f"serving.root={root}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["digits", "1"], ["taxi", "10"], ["taxi", "2"]]
    remedy = f"its manifest.json cannot be read; remove it, then: hilir release adopt {path.parent}"
    assert remedy in lines[1]
