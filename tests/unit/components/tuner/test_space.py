from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.model_package import ModelPackage, load_package
from hilir.components.trainer.training_job import read_tuned
from hilir.components.tuner.space import read_space


def package(hyperparameters: type[BaseModel]) -> ModelPackage:
    return ModelPackage("models.x", "label", (), lambda _: {}, lambda _: None, hyperparameters)


def searched(search: Any, default: Any = 1.0) -> ModelPackage:
    class Hyperparameters(BaseModel):
        rate: Any = Field(default, json_schema_extra={"search": search})
        fixed: int = 3

    return package(Hyperparameters)


@pytest.mark.parametrize("name", ["models.taxi", "models.digits"])
def test_the_example_models_declare_a_space_that_fits_their_class(name):
    found = load_package(name)
    space = read_space(found)
    assert {"hidden_units", "learning_rate"} <= set(space.values)
    values = read_tuned(space.get_config())
    assert values is not None
    assert found.make_hyperparameters(values) == found.hyperparameters()


@pytest.mark.parametrize(
    ("search", "kind"),
    [
        ({"min": 1, "max": 4, "step": 2}, "Int"),
        ({"min": 0.1, "max": 4}, "Float"),
        ({"min": 0.1, "max": 4, "sampling": "log"}, "Float"),
        ({"choices": ["relu", "gelu"]}, "Choice"),
        ({"choices": [[1, 2], [3]]}, "Choice"),
    ],
)
def test_each_kind_of_search(search, kind):
    (found,) = read_space(searched(search)).space
    assert type(found).__name__ == kind


@pytest.mark.parametrize(
    "search", [{}, {"min": 1}, {"choices": []}, {"min": 1, "max": 2, "log": True}, "wide", {"min": 2.0, "max": 1.0}]
)
def test_a_wrong_search_names_its_place(search):
    with pytest.raises(ModelPackageError, match=r"models\.x\.model\.Hyperparameters\.rate: the search "):
        read_space(searched(search))


def test_no_search_at_all():
    class Hyperparameters(BaseModel):
        rate: float = 0.1

    with pytest.raises(ModelPackageError, match="declares no search space; give a field, for example 'rate'"):
        read_space(package(Hyperparameters))


def test_what_a_schedule_overrides_is_not_searched():
    class Hyperparameters(BaseModel):
        learning_rate: float = Field(0.1, json_schema_extra={"search": {"min": 0.01, "max": 1.0}})
        units: int = Field(8, json_schema_extra={"search": {"choices": [4, 8]}})

    class Alone(BaseModel):
        learning_rate: float = Field(0.1, json_schema_extra={"search": {"min": 0.01, "max": 1.0}})

    overridden = {"learning_rate": "train.learning_rate"}
    assert set(read_space(package(Hyperparameters)).values) == {"learning_rate", "units"}
    assert set(read_space(package(Hyperparameters), overridden).values) == {"units"}
    with pytest.raises(ModelPackageError, match=r"learning_rate alone, which train\.learning_rate overrides; set "):
        read_space(package(Alone), overridden)
