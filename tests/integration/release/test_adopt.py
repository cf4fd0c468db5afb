"""A SavedModel that hilir did not make: adopted, then released as any other."""

import json
import shutil

import pytest
import tensorflow as tf

from tests.integration.release.versions import write_golden
from tests.integration.serving import saved_models
from tests.integration.serving.server_process import wait_until


@pytest.fixture
def foreign(place, request) -> str:
    """A model with versions 1 and 2 that something else exported straight into the serving root."""
    name = f"foreign-{abs(hash(request.node.name)) % 10**6}"
    for number in (1, 2):
        staged = place.root.parent / f"{name}-{number}"
        saved_models.half_plus(staged, float(number))
        (place.root / name).mkdir(exist_ok=True)
        staged.rename(place.root / name / str(number))
    return name


def test_an_adopted_version_is_staged_promoted_and_rolled_back(place, foreign):
    folder = place.root / foreign
    wait_until(lambda: place.ask(foreign).status_code == 200, what=f"{foreign} served")
    # The server may have looked between the two moves of the fixture.
    wait_until(lambda: place.answering(foreign) == 2, what=f"{foreign} served at its latest")
    text = place.release("stage", 1, model=foreign, code=5).text
    assert "manifest.json: it is missing; push the version again, or, if hilir did not make it, type 'hilir " in text
    text = place.release("adopt", folder / "1", "--why", "from a partner").text
    assert f"{foreign} version 1, 3 files, classify_x_to_y, regress_x2_to_y3, regress_x_to_y, serving_default" in text
    assert f"next: hilir release stage 1 --model {foreign} --root {place.root}" in text
    # The other version serves now: the first release would unload it.
    assert f"hilir release adopt {folder / '2'}" in place.release("stage", 1, model=foreign, code=5).text
    place.release("adopt", folder / "2")
    assert "has no golden requests to be verified with" in place.release("stage", 1, model=foreign).text
    place.release("promote", model=foreign)
    assert place.answering(foreign) == 1
    place.release("canary", 2, "--percent", 100, model=foreign)
    assert place.answering(foreign) == 2
    place.release("promote", model=foreign)
    place.release("rollback", model=foreign)
    assert place.answering(foreign) == 1
    manifest = json.loads((folder / "1" / "manifest.json").read_text())
    assert manifest["adopted"]["why"] == "from a partner"
    assert manifest["signatures"]["serving_default"]["inputs"] == {"x": {"dtype": "float32", "shape": [-1, 1]}}
    assert "blessed" in place.release("list", model=foreign).text


def test_golden_requests_of_an_adopted_version_are_replayed(place, foreign):
    folder = place.root / foreign
    write_golden(folder / "1", [(2.0, 40.0)])
    place.release("adopt", folder / "1")
    place.release("adopt", folder / "2")
    assert "y[0][0] was 40.0 and is 2.0" in place.release("stage", 1, model=foreign, code=5).text


def test_adopting_again_does_nothing_until_files_change(place, foreign):
    folder = place.root / foreign / "1"
    assert "nothing was changed" in place.release("adopt", folder, "--dry-run").text
    assert not (folder / "manifest.json").exists()
    place.release("adopt", folder)
    first = (folder / "manifest.json").read_bytes()
    place.release("adopt", folder)
    assert (folder / "manifest.json").read_bytes() == first
    write_golden(folder, [(2.0, 2.0)])
    place.release("adopt", folder)
    assert "assets.extra/golden.jsonl" in json.loads((folder / "manifest.json").read_text())["files"]


def test_what_cannot_be_adopted_is_refused(place, model, tmp_path):
    assert "has a manifest already" in place.release("adopt", place.root / model / "1", code=5).text
    folder = tmp_path / "m" / "1"
    assert "no such folder" in place.release("adopt", folder, code=3).text
    folder.mkdir(parents=True)
    assert "saved_model.pb: is missing" in place.release("adopt", folder, code=5).text
    (folder / "saved_model.pb").write_bytes(b"not a model")
    assert "is not a SavedModel, or an incomplete copy" in place.release("adopt", folder, code=5).text
    shutil.copytree(place.root / model / "1", tmp_path / "m" / "007")
    assert "a number from 1 without leading zeros" in place.release("adopt", tmp_path / "m" / "007", code=3).text
    builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "m" / "3"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        builder.add_meta_graph_and_variables(session, ["train"])
    builder.save()
    assert "no graph with the tag 'serve'" in place.release("adopt", tmp_path / "m" / "3", code=5).text
