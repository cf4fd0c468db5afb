import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.release.selection import Project, choose_model, read_config, select
from hilir.serving.releases.release_store import Store


@pytest.fixture
def store(tmp_path):
    for name in ("digits/1", "taxi/1", "taxi/2"):
        (tmp_path / name).mkdir(parents=True)
    return Store(tmp_path)


def test_of_several_models_the_released_one_is_meant(store):
    with pytest.raises(ServingConfigError, match="--model NAME or --config FILE; there are: digits, taxi"):
        choose_model(store, None)
    (store.root / "taxi/release.json").write_text("{}")
    assert choose_model(store, None) == "taxi"
    assert choose_model(store, "digits") == "digits"
    (store.root / "digits/release.json").write_text("{}")
    with pytest.raises(ServingConfigError, match="not clear which model is meant"):
        choose_model(store, None)


def test_a_model_that_is_not_there_is_refused_with_those_that_are(store):
    with pytest.raises(ServingConfigError, match="there is no model bees; there are: digits, taxi"):
        choose_model(store, "bees")


def test_a_configuration_names_root_and_model(store, tmp_path):
    file = tmp_path / "digits.yaml"
    file.write_text(f"model: {{name: digits}}\nserving: {{root: '{store.root}'}}\n")
    found, model = select(None, None, str(file))
    assert (found.root, model) == (store.root, "digits")
    assert select(None, "taxi", str(file))[1] == "taxi"
    assert read_config("configs/digits.yaml") == Project("out/models", "digits")


def test_overlays_and_settings_win_over_the_configuration(store, tmp_path):
    file, night = tmp_path / "digits.yaml", tmp_path / "night.yaml"
    file.write_text("model: {name: digits}\nrelease: {approval: none}\n")
    night.write_text(f"serving: {{root: '{store.root}'}}\nrelease: {{approval: required}}\n")
    assert read_config(str(file), [str(night)]).approval == "required"
    found = read_config(str(file), [str(night)], ["release.approval=none", "notify=[{command: [say, it]}]"])
    assert (found.root, found.approval, found.notify[0].command) == (str(store.root), "none", ["say", "it"])
    assert select(None, None, str(file), [str(night)])[0].root == store.root
    with pytest.raises(ServingConfigError, match=f"^{tmp_path}/gone.yaml: cannot be read"):
        read_config(str(file), [f"{tmp_path}/gone.yaml"])
    with pytest.raises(ServingConfigError, match="name the configuration"):
        select(str(store.root), "digits", None, [str(night)])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("data: {}", "model.name is missing"),
        ("model: {name: '${nowhere}'}", "not a configuration"),
        ("model: [", "not a configuration"),
        ("just words", "not a configuration|model.name is missing"),
    ],
)
def test_a_file_that_names_no_model_is_refused(tmp_path, text, fault):
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ServingConfigError, match=fault):
        read_config(str(file))
    with pytest.raises(ServingConfigError, match="cannot be read"):
        read_config(str(tmp_path / "absent.yaml"))
