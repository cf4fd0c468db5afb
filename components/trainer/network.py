"""How a network takes its features and what its outputs are called, whatever kind of Keras model it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import ModelPackageError

ONLY_OUTPUT = "output"
"""The name of the only output of a network that gives it none."""


def build_by_call(model: keras.Model, specs: Mapping[str, tf.TypeSpec]) -> None:
    """Creates the variables of a model that has none before its first call; others stay as they are.

    Args:
        model: the network.
        specs: the transformed features by name.

    Raises:
        ModelPackageError: the network takes inputs that are not among the features.
    """
    select_inputs(model, specs)
    if model.built:
        return

    def call(features: dict[str, Any]) -> Any:
        return model(select_inputs(model, features), training=False)

    # Traced, not called: a trace needs no rows, and no device under a strategy of several.
    tf.function(call, autograph=False).get_concrete_function(dict(specs))


def list_variables(model: keras.Model) -> list[tf.Variable]:
    """Returns the network's variables, without the vocabularies that Keras lists as weights of adapted layers."""
    return [weight for weight in model.weights if isinstance(weight, tf.Variable)]


def select_inputs(model: keras.Model, features: Mapping[str, Any]) -> Any:
    """Returns the features as the network takes them: by name, or the only one as it is.

    Raises:
        ModelPackageError: the network takes inputs that are not among the features.
    """
    names = _input_names(model)
    if names is None:
        # A Sequential without an Input gives its first layer what it gets.
        return next(iter(features.values())) if _is_sequential(model) and len(features) == 1 else dict(features)
    if names <= features.keys() or len(names) == len(features) == 1:
        # All of them: a training step of the package's own may look at more than the network does.
        return dict(features)
    raise ModelPackageError(
        f"the model '{model.name}' has the inputs {_listed(names)}, and preprocessing_fn returns the features "
        f"{_listed(features)}; give each keras.Input the name of a feature"
    )


def name_outputs(model: keras.Model, answer: Any, labels: Sequence[str] = ()) -> dict[str, tf.Tensor]:
    """Returns what the network answers as tensors by the name of the output.

    A dictionary keeps its keys, those of nested ones are joined by "_". Outputs of a list have the names that the
    package gave to their layers, else those of the labels where there are as many, else `output_0`, `output_1`, ….

    Args:
        model: the network.
        answer: what a call of it returns: a tensor, or lists and dictionaries of them.
        labels: the labels' names, or those of the outputs that they belong to.

    Raises:
        ModelPackageError: two outputs would have one name.
    """
    if isinstance(answer, Mapping):
        named = [(name, value) for key, each in answer.items() for name, value in _flatten(str(key), each)]
    else:
        values = tf.nest.flatten(answer)
        named = list(zip(_choose_names(model, len(values), labels), values, strict=True))
    names = [name for name, _ in named]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ModelPackageError(
            f"the model '{model.name}' has more than one output named {_listed(doubled)}; give them different names"
        )
    return dict(named)


def arrange_labels(model: keras.Model, labels: Mapping[str, tf.Tensor]) -> Any:
    """Returns the labels by output in the form in which Keras matches them with what the network answers.

    Raises:
        ModelPackageError: a label belongs to an output that there is not.
    """
    names = _declared_outputs(model, [*labels])
    if names is None:
        return dict(labels)
    unknown = sorted(labels.keys() - names.keys())
    if unknown:
        raise ModelPackageError(
            f"features.LABEL names the output {_listed(unknown)}, which the model '{model.name}' does not have; "
            f"its outputs are {_listed(names)}"
        )
    return {names[name]: value for name, value in labels.items()}


def _declared_outputs(model: keras.Model, labels: list[str]) -> dict[str, str] | None:
    """Returns Keras's name of each output; None where the outputs are not known, or have their own names anyway."""
    if not _is_functional(model) or isinstance(model.output, Mapping):
        return None
    count = len(model.outputs)
    return dict(zip(_choose_names(model, count, labels), model.output_names, strict=True))


def _choose_names(model: keras.Model, count: int, labels: Sequence[str]) -> list[str]:
    given = list(model.output_names) if _is_functional(model) else []
    if len(given) == count and all(_is_given(model, name) for name in given):
        return given
    if count == 1:
        return [ONLY_OUTPUT]
    return list(labels) if len(labels) == count else [f"{ONLY_OUTPUT}_{index}" for index in range(count)]


def _is_given(model: keras.Model, name: str) -> bool:
    """Whether the package chose the layer's name; those that Keras makes up depend on what was built before."""
    layer = next((layer for layer in model.layers if layer.name == name), None)
    if layer is None or type(layer).__name__.endswith("OpLambda"):
        return False
    kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", type(layer).__name__)).lower()
    return re.fullmatch(rf"{re.escape(kind)}(_\d+)?", name) is None


def _flatten(name: str, value: Any) -> Iterable[tuple[str, tf.Tensor]]:
    if isinstance(value, Mapping):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        return [(name, value)]
    return [found for key, each in parts for found in _flatten(f"{name}_{key}", each)]


def _input_names(model: keras.Model) -> set[str] | None:
    if not _is_functional(model):
        return None
    # The keys of a dictionary count, whatever its layers are called: Keras looks the features up by them.
    return set(model.input) if isinstance(model.input, Mapping) else set(model.input_names)


def _is_functional(model: keras.Model) -> bool:
    """Whether inputs and outputs are known: a functional model, or a Sequential with an Input."""
    return bool(getattr(model, "_is_graph_network", False))


def _is_sequential(model: keras.Model) -> bool:
    return isinstance(model, keras.Sequential)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
