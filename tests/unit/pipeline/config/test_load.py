from pathlib import Path

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError

TAXI = "configs/taxi.yaml"


def faults(*settings: str, path: str | Path = TAXI) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, settings=settings)
    return list(caught.value.faults)


def test_every_fault_is_told_at_once_with_its_place_and_a_suggestion():
    assert faults("train.epoch=3", "train.batch_size=many", "validation.fail_on=eror", "evaluat.slices={}") == [
        "--set validation.fail_on: validation.fail_on: must be 'error', 'warning' or 'never', and is 'eror'",
        "--set train.batch_size: train.batch_size: must be a whole number, and is 'many'",
        "--set train.epoch: train.epoch: there is no such key; did you mean 'epochs'?",
        "--set evaluat.slices: evaluat: there is no such key; did you mean 'evaluate'?",
    ]


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("tune={}", "tune: there is no such key; did you mean 'train.tune'?"),
        ("epochs=3", "epochs: there is no such key; did you mean 'train.epochs' or 'train.tune.epochs'?"),
        ("data.tflite={}", "data.tflite: there is no such key; did you mean 'export.tflite'?"),
        (
            "export.tfjs.inputs=raw",
            "export.tfjs.inputs: there is no such key; did you mean 'export.tflite.inputs'? "
            "The keys here are bounds, variants",
        ),
        ("train.thresholds=[]", "train.thresholds: there is no such key; did you mean 'evaluate.thresholds'?"),
    ],
)
def test_a_key_of_another_section_is_told_where_it_belongs(setting, fault):
    assert faults(setting) == [f"--set {setting.partition('=')[0]}: {fault}"]


def test_a_word_that_yaml_takes_for_false():
    remedy = "put a word like no, off, yes or on in quotes"
    assert faults("model.package=no") == [
        f"--set model.package: model.package: must be a string, and is false; {remedy}"
    ]


def test_a_gate_without_a_threshold_is_refused():
    assert faults("evaluate.thresholds=[]") == [
        "--set evaluate.thresholds: evaluate: has no thresholds: every model would be pushed. Give at least one, "
        "for example 'thresholds: [{metric: auc, min: 0.6}]'"
    ]


@pytest.mark.parametrize(
    ("thresholds", "fault"),
    [
        ("[{metric: f1, min: 0.5}]", "evaluate: thresholds[0] names the metric 'f1', which is not among the metrics"),
        ("[{metric: auc, min: 0.5, slice: day}]", "evaluate: thresholds[0] names the slice 'day', which is not among"),
        ("[{metric: auc}]", "evaluate.thresholds[0]: bounds nothing: give min, max or change"),
        ("[{metric: auc, min: 0.5}, {metric: auc, max: 1}]", "thresholds name the metric 'auc' twice for all rows"),
        ("[{metric: auc, change: {}}]", "evaluate.thresholds[0].change: needs 'absolute' or 'relative'"),
    ],
)
def test_a_threshold_that_cannot_work_is_refused(thresholds, fault):
    (found,) = faults(f"evaluate.thresholds={thresholds}")
    assert fault in found


def test_a_missing_value_is_called_missing(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.5}]}\n")
    assert faults(path=path) == [
        "base.yaml: model.name: is missing; give it a value",
        "base.yaml: model.package: is missing; give it a value",
        "base.yaml: data.path: is missing; give it a value",
    ]


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        (
            "vertex.labels={Team: x}",
            "--set vertex.labels: vertex.labels.Team: the key must match pattern '^[a-z][a-z0-9_-]{0,62}$', "
            "and is 'Team'",
        ),
        (
            "vertex.retries.steps={a.b: -1}",
            "--set vertex.retries.steps: vertex.retries.steps.a.b: must be greater than or equal to 0, and is -1",
        ),
        (
            "data.columns={1: x}",
            "--set data.columns: data.columns.1: must be 'int', 'float' or 'string', and is 'x'",
        ),
        (
            "export.metric=none",
            "--set export.metric: export.metric names the metric 'none', which is not among evaluate.metrics "
            "['auc', 'accuracy', 'loss', 'example_count']",
        ),
    ],
)
def test_a_fault_names_the_setting_that_made_it(setting, fault):
    assert faults(setting) == [fault]


def test_a_name_that_vertex_would_refuse_is_refused_everywhere():
    (found,) = faults("model.name=My_Model")
    assert found == ("--set model.name: model.name: must match pattern '^[a-z0-9][a-z0-9-]{0,127}$', and is 'My_Model'")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "mine.yaml: does not exist; give the path of a configuration, for example mymodel.yaml"),
        ("train: [", "mine.yaml, line 2, column 1: is not valid YAML: "),
        (
            "train: {epochs: 3}\ndata: {path: x}\ntrain: {batch_size: 9}\n",
            "mine.yaml, line 3, column 1: is not valid YAML: the key 'train' is there twice, first in line 1; fix",
        ),
        (
            "a: {b: 1, b: 2}",
            "mine.yaml, line 1, column 11: is not valid YAML: the key 'b' is there twice, first in line 1",
        ),
        ("- a\n- b\n", "mine.yaml: contains a list, not keys and values; 'hilir new --example taxi' writes one"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, fault):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_text(content)
    (found,) = faults(path=path)
    assert found.startswith(f"{tmp_path}/{fault}")


def test_a_setting_without_a_value_is_refused():
    assert faults("train.epochs") == [
        "--set train.epochs: is not of the form key=value, for example --set train.epochs=3"
    ]


def test_a_setting_that_is_no_yaml_is_a_text():
    assert load(TAXI, settings=["data.pattern=*.csv"]).config.data.pattern == "*.csv"


def test_a_missing_environment_variable_is_told_with_its_remedy(monkeypatch):
    monkeypatch.delenv("HILIR_BUCKET", raising=False)
    with pytest.raises(ConfigError) as caught:
        load("configs/digits.yaml", ["configs/overlays/vertex.yaml"])
    assert str(caught.value) == (
        "configs/overlays/vertex.yaml: pipeline.root: the environment variable HILIR_BUCKET is not set; "
        "type 'export HILIR_BUCKET=…'"
    )


def test_the_later_layer_wins_and_is_named_as_the_origin(tmp_path):
    overlay = tmp_path / "fast.yaml"
    overlay.write_text("train: {epochs: 2, batch_size: 64}\n")
    loaded = load(TAXI, [overlay], ["train.epochs=7"])
    origins = {key: (value, origin) for key, value, origin in loaded.origins()}
    assert loaded.config.train.epochs == 7
    assert origins["train.epochs"] == (7, "--set train.epochs")
    assert origins["train.batch_size"] == (64, str(overlay))
    assert origins["model.name"] == ("taxi", TAXI)
    assert origins["pipeline.cache"] == (True, "base.yaml")


def test_a_list_is_replaced_and_a_mapping_is_merged():
    config = load(TAXI, settings=["evaluate.thresholds=[{metric: auc, min: 0.5}]", "watch.backoff={factor: 3}"]).config
    assert [threshold.min for threshold in config.evaluate.thresholds] == [0.5]
    assert (config.watch.backoff.factor, config.watch.backoff.attempts) == (3, 5)


def test_the_splits_are_one_value_and_are_replaced_as_a_whole(tmp_path):
    overlay = tmp_path / "small.yaml"
    overlay.write_text("data: {splits: {eval: 1, train: 9}}\n")
    assert load(TAXI, [overlay]).config.data.splits == {"eval": 1, "train": 9}
    assert load(TAXI, [overlay], ["data.splits={train: 3, eval: 2}"]).config.data.splits == {"train": 3, "eval": 2}
    assert load(TAXI, [overlay], ["data.splits.train=4"]).config.data.splits == {"eval": 1, "train": 4}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            ["data.splits={train: 3}"],
            "data: roles.validate is 'eval', which is not among the splits train; set data.roles, for example "
            "{train: train, validate: validation, evaluate: test}",
        ),
        (
            ["data.splits={learn: 3, eval: 1}"],
            "data: roles.train is 'train', which is not among the splits learn, eval; set data.roles, for example "
            "{train: train, validate: validation, evaluate: test}",
        ),
        (
            ["data.roles.evaluate=train"],
            "data: roles would judge the model by the rows that it learns from ('train'); give another split to "
            "validate and to evaluate",
        ),
        (
            ["data.splits={train: 3, eval: 1, test: 1}", "data.split.time={column: t, eval_share: 0.2}"],
            "data: split.time makes two splits, the older rows and the newer ones, and data.splits has 3 "
            "(train, eval, test); give two, or split by something else",
        ),
        (
            ["data.splits={train: 3, eval: 1, ../x: 1}"],
            "data.splits: has the name '../x', which cannot be that of a folder; use letters, digits, '-', '_' and '.'",
        ),
    ],
)
def test_splits_that_do_not_fit_their_roles_are_refused(settings, fault):
    with pytest.raises(ConfigError) as caught:
        load(TAXI, settings=settings)
    assert str(caught.value).partition(": ")[2] == fault


def test_a_split_may_have_any_name_and_none_has_to_be_used():
    settings = ["data.splits={learn: 8, watch: 1, judge: 1, later: 1}"]
    settings += ["data.roles={train: learn, validate: watch, evaluate: judge}"]
    data = load(TAXI, settings=settings).config.data
    assert data.list_unused() == ["later"]
    assert data.read_settings().splits == {"learn": 8, "watch": 1, "judge": 1, "later": 1}
    assert data.read_settings().trained_on == "learn"


def test_the_stored_text_loads_to_the_same_configuration(tmp_path):
    loaded = load(TAXI, settings=["train.seed=9"])
    path = tmp_path / "config.yaml"
    path.write_text(loaded.text)
    assert load(path).config == loaded.config


def test_base_yaml_has_every_key():
    """A key that only the code knows would have no comment and no default to read."""
    import yaml

    from hilir.pipeline.config.load import base_path
    from hilir.pipeline.config.schema import Config

    base = yaml.safe_load(base_path().read_text())
    for name, field in Config.model_fields.items():
        section = base[field.alias or name]
        # A list is one value, which its comment explains.
        if not isinstance(section, list):
            fields = field.annotation.model_fields  # type: ignore[union-attr]
            assert set(section) == {inner.alias or key for key, inner in fields.items()}, name


def test_what_comes_from_the_environment_is_neither_shown_nor_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_FOLDER", "s3cret")
    own = tmp_path / "own.yaml"
    own.write_text(
        "model: {name: m, package: m}\n"
        "data: {path: '${oc.env:SECRET_FOLDER}/data', pattern: '${model.name}*.csv'}\n"
        "serving: {root: '${data.path}/models'}\n"
        "train: {hyperparameters: {folders: ['${oc.env:SECRET_FOLDER}']}}\n"
        "evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.5}]}\n"
    )
    loaded = load(own)
    assert (loaded.config.data.path, loaded.config.serving.root) == ("s3cret/data", "s3cret/data/models")
    assert "s3cret" not in loaded.text
    shown = {key: value for key, value, _ in loaded.origins()}
    assert shown["data.path"] == "${oc.env:SECRET_FOLDER}/data"
    assert shown["serving.root"] == "${data.path}/models"
    assert shown["train.hyperparameters.folders"] == ["${oc.env:SECRET_FOLDER}"]
    # Any other reference is shown as what it is.
    assert shown["data.pattern"] == "m*.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evaluate: {metrics: {AUC: 1}}", "own.yaml: evaluate.metrics: is keys and values, and has to be a list"),
        ("train: {hyperparameters: [1]}", "own.yaml: train.hyperparameters: is a list, and has to be keys and values"),
    ],
)
def test_a_list_where_a_mapping_belongs_is_named(tmp_path, text, message):
    own = tmp_path / "own.yaml"
    own.write_text(f"model: {{name: m, package: m}}\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(own)
    assert message in str(error.value)


def bomb() -> str:
    """300 bytes whose anchors stand for a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(), "own.yaml: has more than 100,000 values or 100 levels once its anchors (&, *) are written out"),
        ("a: &a {b: *a}", "own.yaml: has more than 100,000 values or 100 levels once its anchors"),
        ("a: " + "[" * 5000 + "]" * 5000, "own.yaml"),
        ("a: " + "[" * 150 + "]" * 150, "own.yaml: has more than 100,000 values or 100 levels"),
    ],
)
def test_a_configuration_that_explodes_is_refused(tmp_path, text, message):
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(own)
    assert message in str(error.value)


@pytest.mark.parametrize("value", ["/etc/*", "*a", "[" * 500, "{a: *b", "&x *x"])
def test_a_setting_that_is_no_yaml_is_a_string(value):
    loaded = load("configs/taxi.yaml", settings=[f"data.pattern={value}"])
    assert loaded.config.data.pattern == value


def test_a_setting_that_is_nested_too_deeply_is_refused():
    with pytest.raises(ConfigError, match=r"^--set a: "):
        load("configs/taxi.yaml", settings=["a=" + "[" * 150 + "]" * 150])


def test_a_long_wrong_value_is_cut():
    (fault,) = faults(f"model.name={'Long' * 1000}")
    assert fault.endswith("and is '" + "Long" * 29 + "Lon…")
