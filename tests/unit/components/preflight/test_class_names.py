"""Names of classes in the configuration, against what the model answers."""

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

from hilir.components.errors import ModelPackageError, PreflightError
from hilir.components.exporter.settings import ExportSettings
from hilir.components.preflight.class_name_checks import check_class_names, check_labels
from hilir.components.pusher.manifest import describe_classes
from hilir.components.trainer.model_package import ModelPackage
from hilir.pipeline.config.load import base_path

OUTPUTS = {"p": np.zeros((4, 3), np.float32), "classes": np.full((4, 3), "a", object)}
TWO = {"sort": np.zeros((4, 3), np.float32), "sex": np.zeros((4, 1), np.float32)}
BY_OUTPUT = {"sort": "species", "sex": "female"}


def settings(labels) -> ExportSettings:
    return ExportSettings.model_validate(yaml.safe_load(base_path().read_text())["export"] | {"labels": labels})


def package(label) -> ModelPackage:
    return ModelPackage("birds", label, None, dict, dict, BaseModel)


@pytest.mark.parametrize(("labels", "label", "outputs", "classes"), [
    ([], "species", OUTPUTS, {}),
    (["a", "b", "c"], "species", OUTPUTS, {}),
    (["a", "b", "c"], "species", OUTPUTS, {"species": ("a", "b", "c")}),
    (["no", "yes"], "bought", {"p": np.zeros((4, 1), np.float32)}, {}),
    ({"species": ["a", "b", "c"], "female": ["m", "f"]}, BY_OUTPUT, TWO, {}),
    ({"female": ["m", "f"]}, BY_OUTPUT, TWO, {}),
    (["a", "b"], "mask", {"p": np.zeros((4, 8, 8), np.float32)}, {}),
])  # fmt: skip
def test_names_that_fit(labels, label, outputs, classes):
    check_labels(settings(labels), package(label))
    check_class_names(settings(labels), package(label), outputs, classes)


@pytest.mark.parametrize(("labels", "label", "outputs", "classes", "fact"), [
    (["a", "b"], "species", OUTPUTS, {}, "has 2 names for 'species', and the output 'p' has 3 scores a row; name each"),
    (["a"], "bought", {"p": np.zeros((4, 1), np.float32)}, {}, "and the output 'p' has 1 score a row: two classes; "),
    (["b", "a", "c"], "species", OUTPUTS, {"species": ("a", "b", "c")}, "which are a, b, c, in this order; leave it"),
    ({"species": ["a"]}, BY_OUTPUT, TWO, {}, "has 1 names for 'species', and the output 'sort' has 3 scores a row"),
])  # fmt: skip
def test_names_that_do_not_fit(labels, label, outputs, classes, fact):
    with pytest.raises(PreflightError) as caught:
        check_class_names(settings(labels), package(label), outputs, classes)
    assert str(caught.value).startswith("export.labels ")
    assert fact in str(caught.value)


@pytest.mark.parametrize(("labels", "fact"), [
    (["a", "b", "c"], "is one list, and features.LABEL of birds has 2 labels; name the classes by label: "),
    ({"sort": ["a"]}, "names 'sort', which is no label of birds; the labels are species, female"),
])  # fmt: skip
def test_names_of_other_labels(labels, fact):
    with pytest.raises(ModelPackageError) as caught:
        check_labels(settings(labels), package(BY_OUTPUT))
    assert str(caught.value).startswith(f"export.labels {fact}")


def test_the_manifest_has_the_names_of_each_label(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "classes.json").write_text('{"species": ["a", "b"]}')
    names = settings({"female": ["m", "f"]})
    assert describe_classes(str(tmp_path), names.name_classes("")) == {"species": ["a", "b"], "female": ["m", "f"]}
    assert (names.only_names, settings(["x", "y"]).only_names) == (("m", "f"), ("x", "y"))
    assert settings({"a": ["m", "f"], "b": ["x"]}).only_names == ()
    assert settings(["x", "y"]).name_classes("label") == {"label": ["x", "y"]}
