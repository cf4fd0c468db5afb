import json
import multiprocessing

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.release import transitions as t
from hilir.serving.release.models_config import render_model_config, write_model_config
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State

STABLE_1 = (
    '{"schema": 1, "model": "a", "served_root": "/", "versions": {"1": {"manifest": "h"}}, "labels": {"stable": 1}, %s}'
)


@pytest.fixture
def store(tmp_path):
    for name in ("a/1", "a/2", "a/007", "b/7", "empty/exports"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "a" / "9").symlink_to("x" * 300)
    return Store(tmp_path)


def read_config(store: Store) -> dict:
    text = (store.root / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {entry.name: entry for entry in config.model_config_list.config}


def with_one(store: Store, model: str = "a") -> State:
    return t.add_loaded(store.read(model), 1, "hash")


def test_a_state_is_read_as_it_was_written(store):
    written = store.write(t.record(with_one(store), "load", 1, "now", "because"))
    assert written.revision == 1
    assert store.read("a") == written
    assert store.read("a").history[0].why == "because"
    assert (store.models(), store.versions("a")) == (["a", "b"], [1, 2])


def test_somebody_elses_change_is_never_overwritten(store):
    mine = with_one(store)
    store.write(t.record(with_one(store), "canary", 1, "12:00", ""))
    with pytest.raises(ReleaseRefused, match=r"from revision 0 to 1 \('canary' at 12:00\)"):
        store.write(mine)


def _write_many(root: str, count: int) -> None:
    store, done = Store(root), 0
    while done < count:
        try:
            store.write(t.record(store.read("a"), "abort", None, "now", ""))
            done += 1
        except ReleaseRefused:
            continue


def test_of_many_writers_none_loses_a_change(store):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(str(store.root), 15)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    state = store.read("a")
    assert (state.revision, len(state.history)) == (45, 45)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not JSON"),
        ('{"schema": 2, "model": "a", "served_root": "/"}', "schema"),
        ('{"schema": 1, "model": "a", "served_root": "/", "labels": {"stable": 3}}', "version 3, which is not loaded"),
        ('{"schema": 1, "model": "a", "served_root": "/", "extra": 1}', "extra"),
        ('{"schema": 1, "model": "b", "served_root": "/"}', "it is the state of model b"),
        (STABLE_1 % '"split": {"stable": NaN}', "negative share"),
        (STABLE_1 % '"split": {"stable": 1e999}', "sums to inf"),
        (STABLE_1.replace("1}", "0}") % '"split": {"stable": 100}', "greater than or equal to 1"),
        ('{"schema": 1, "model": "a", "served_root": "/", "labels": {"stable": 1%s}}' % ("0" * 30), "less than"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_no_verb_wrote_is_refused(store, content, fault):
    (store.root / "a/release.json").write_text(content)
    with pytest.raises(ReleaseRefused, match=fault) as refused:
        store.read("a")
    assert "release.json" in str(refused.value)


@pytest.mark.parametrize("root", ["gs://bucket/models", "/does/not/exist"])
def test_a_root_that_cannot_hold_states_is_refused(root):
    with pytest.raises(ServingConfigError):
        Store(root)


def test_the_model_configuration_is_what_tensorflow_serving_reads(store):
    state = t.stage(t.verify(with_one(store), 1), 1)
    text = render_model_config({"a": state}, {"b": "/models/b"}, "/models")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    a, b = config.model_config_list.config
    assert (a.name, a.base_path, a.model_platform) == ("a", "/models/a", "tensorflow")
    assert list(a.model_version_policy.specific.versions) == [1]
    assert dict(a.version_labels) == {"candidate": 1}
    assert (b.base_path, b.HasField("model_version_policy")) == ("/models/b", False)


def test_a_root_that_was_moved_is_served_from_where_it_is(store, tmp_path):
    written = store.write(with_one(store).model_copy(update={"served_root": str(store.root)}))
    assert written.served_root == ""
    store.root.rename(moved := tmp_path.with_name(f"{tmp_path.name}-moved"))
    write_model_config(Store(moved))
    read = {name: entry.base_path for name, entry in read_config(Store(moved)).items()}
    assert read == {"a": f"{moved}/a", "b": f"{moved}/b"}


def test_the_root_of_servers_in_containers_stays(store):
    store.write(t.serve_from(with_one(store), "/models"))
    assert store.read("b").served_root == "/models"
    write_model_config(store)
    assert {entry.base_path for entry in read_config(store).values()} == {"/models/a", "/models/b"}


def test_models_that_nobody_released_go_on_being_served(store):
    write_model_config(store)
    assert read_config(store).keys() == {"a", "b"}


def test_an_older_state_does_not_undo_a_newer_one(store):
    old = store.write(with_one(store))
    new = store.write(t.add_loaded(old, 2, "hash"))
    write_model_config(store, new)
    write_model_config(store, old)
    assert list(read_config(store)["a"].model_version_policy.specific.versions) == [1, 2]


def test_the_file_says_nothing_but_json(store):
    store.write(with_one(store))
    content = json.loads((store.root / "a/release.json").read_text())
    assert content["schema"] == 1
    assert content["versions"] == {
        "1": {"manifest": "hash", "loaded": True, "verified": False, "other_inputs": False, "approved_by": ""}
    }


def test_a_file_of_an_older_release_of_hilir_is_read(store):
    event = {"at": "2026-01-01T00:00:00+00:00", "verb": "promote", "version": 1, "stable": 1, "candidate": None}
    content = {
        "schema": 1,
        "model": "a",
        "revision": 3,
        "served_root": "/",
        "versions": {"1": {"manifest": "h", "loaded": True, "verified": True, "other_inputs": False}},
        "labels": {"stable": 1},
        "split": {"stable": 100.0},
        "shadow": 0.0,
        "history": [{**event, "percent": 0.0, "traffic": {"1": 100.0}, "why": "x"}],
    }
    (store.root / "a/release.json").write_text(json.dumps(content))
    state = store.read("a")
    assert (state.rollout, state.approval, state.history[0].actor) == (None, "none", "")
    assert state.versions[1].approved_by == ""
