import hashlib
import json

import pytest

from hilir.serving.errors import ReleaseRefused
from hilir.serving.release import transitions as t
from hilir.serving.release.golden_replay import compare_values, read_golden
from hilir.serving.release.version_checks import check_inputs, check_version
from hilir.serving.releases.release_store import Store


def make(root, number, inputs=None, **more):
    folder = root / "m" / str(number)
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables/variables.index").write_bytes(b"index")
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in (("saved_model.pb", b"graph"), ("variables/variables.index", b"index"))
    }
    signature = {"inputs": inputs or {"x": {"dtype": "float32", "shape": [-1]}}, "outputs": {}}
    content = {"schema": 1, "model": "m", "version": number, "blessed": True, "files": files}
    content["signatures"] = {"serving_default": signature}
    (folder / "manifest.json").write_text(json.dumps(content | more))
    return folder


def change_manifest(folder, **more):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


@pytest.fixture
def store(tmp_path):
    make(tmp_path, 1)
    return Store(tmp_path)


def test_a_whole_blessed_version_passes(store):
    assert check_version(store, "m", 1)["version"] == 1


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda f: (f / "saved_model.pb").write_bytes(b"Graph"), "saved_model.pb: differs from the manifest"),
        (lambda f: (f / "saved_model.pb").unlink(), "saved_model.pb is missing"),
        (lambda f: (f / "variables/variables.index").unlink(), "variables.index: the manifest names it"),
        (lambda f: (f / "extra").write_bytes(b""), "extra: the manifest does not name it"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json: it is missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: it cannot be read"),
        (lambda f: (f / "manifest.json").write_text('{"schema": 1}'), "manifest.json: it cannot be read"),
        (lambda f: (f / "manifest.json").write_text("[" * 100_000), "manifest.json: it cannot be read"),
        (lambda f: change_manifest(f, files={"saved_model.pb": None}), "not schema 1 of version 1"),
        (lambda f: change_manifest(f, signatures={"x": None}), "not schema 1 of version 1"),
    ],
)
def test_a_version_that_is_not_what_was_pushed_is_refused(store, spoil, fault):
    spoil(store.root / "m/1")
    with pytest.raises(ReleaseRefused, match=fault):
        check_version(store, "m", 1)


@pytest.mark.parametrize("more", [{"blessed": False}, {"blessed": None}, {"blessed": "yes"}])
def test_a_version_that_is_not_blessed_is_refused(store, more):
    make(store.root, 2, **more)
    with pytest.raises(ReleaseRefused, match="not blessed"):
        check_version(store, "m", 2)


def test_a_version_that_is_not_there_is_refused_with_those_that_are(store):
    with pytest.raises(ReleaseRefused, match="no such version; there are: 1"):
        check_version(store, "m", 9)


def test_a_manifest_of_another_version_is_refused(store):
    make(store.root, 2, version=1)
    with pytest.raises(ReleaseRefused, match="not schema 1 of version 2"):
        check_version(store, "m", 2)


@pytest.mark.parametrize(
    ("inputs", "difference"),
    [
        ({"x": {"dtype": "float64", "shape": [-1]}}, r"x was float32\[-1\] and is float64\[-1\]"),
        ({"x": {"dtype": "float32", "shape": [-1, 2]}}, r"is float32\[-1, 2\]"),
        ({"y": {"dtype": "float32", "shape": [-1]}}, "x was .* and is absent; .*y was absent"),
    ],
)
def test_other_inputs_need_consent(store, inputs, difference):
    make(store.root, 2, inputs)
    state = t.promote(t.stage(t.verify(t.add_loaded(store.read("m"), 1, "h"), 1), 1))
    with pytest.raises(ReleaseRefused, match=difference):
        check_inputs(store, state, 2, accept=False)
    assert check_inputs(store, state, 2, accept=True)
    assert not check_inputs(store, state, 1, accept=False)


def test_a_version_without_golden_requests_is_refused(store):
    with pytest.raises(ReleaseRefused, match="no golden requests"):
        read_golden(store, "m", 1)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0000001]], True),
        ([[1.0, 2.0]], [[1.0, 2.01]], False),
        ([1.0], [1], True),
        ([1], [1], True),
        ([1], [2], False),
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        ([1.0, 2.0], [1.0], False),
        ([float("nan")], [float("nan")], True),
        ([float("nan")], [0.0], False),
        ([1.0], [True], False),
        ([1.0], [None], False),
    ],
)
def test_answers_are_compared_to_the_last_digits(expected, found, same):
    assert (compare_values(expected, found, "y") is None) == same


def publish(root, *, outputs=None, classes=None):
    """Makes version 1 the stable one, and version 2 with other outputs or classes."""
    x = {"x": {"dtype": "float32", "shape": [-1]}}
    scores = {"scores": {"dtype": "float32", "shape": [-1, 3]}, "classes": {"dtype": "string", "shape": [-1, 3]}}
    both = {1: (scores, ["Adelie", "Gentoo"]), 2: (outputs or scores, classes or ["Adelie", "Gentoo"])}
    for number, (answers, names) in both.items():
        signatures = {"serving_default": {"inputs": x, "outputs": answers}}
        make(root, number, signatures=signatures, classes={"species": names})
    store = Store(root)
    return store, t.promote(t.stage(t.verify(t.add_loaded(store.read("m"), 1, "h"), 1), 1))


def test_a_class_must_not_change_its_meaning(tmp_path):
    store, state = publish(tmp_path, classes=["Gentoo", "Adelie"])
    with pytest.raises(ReleaseRefused) as raised:
        check_inputs(store, state, 2, accept=False)
    assert str(raised.value) == (
        "m: version 2 answers in other terms than stable version 1: class 0 of species was 'Adelie' and is 'Gentoo'; "
        "class 1 of species was 'Gentoo' and is 'Adelie'; clients must understand both, then say "
        "--accept-schema-change"
    )
    assert check_inputs(store, state, 2, accept=True)


def test_a_class_must_not_be_lost(tmp_path):
    store, state = publish(tmp_path, classes=["Adelie"])
    with pytest.raises(ReleaseRefused, match="class 1 of species was 'Gentoo' and is 'absent'"):
        check_inputs(store, state, 2, accept=False)


def test_a_new_class_after_the_known_ones_is_no_change(tmp_path):
    store, state = publish(tmp_path, classes=["Adelie", "Gentoo", "Chinstrap"])
    assert not check_inputs(store, state, 2, accept=False)


@pytest.mark.parametrize(
    ("outputs", "fault"),
    [
        ({"scores": {"dtype": "float32", "shape": [-1, 3]}}, "serving_default.classes was string"),
        (
            {"scores": {"dtype": "float32", "shape": [-1]}, "classes": {"dtype": "string", "shape": [-1, 3]}},
            r"serving_default.scores was float32\[-1, 3\] and is float32\[-1\]",
        ),
    ],
)
def test_an_output_must_not_change(tmp_path, outputs, fault):
    store, state = publish(tmp_path, outputs=outputs)
    with pytest.raises(ReleaseRefused, match=fault):
        check_inputs(store, state, 2, accept=False)
