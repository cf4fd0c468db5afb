"""What each API makes of a signature: which tensors to feed and fetch, and how to read the result.

The rules and texts are those of predict_util.cc, classifier.cc, regressor.cc and multi_inference.cc.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hilir.serving.server.servables.servable import Servable, Signature
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.tensors import dtypes
from hilir.serving.server.tensors.tensor_proto import from_proto

DEFAULT_SIGNATURE = "serving_default"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
PREDICT_METHOD = "tensorflow/serving/predict"

Classification = list[tuple[str, float]]


@dataclass(slots=True)
class Plan:
    """One call of a graph: what to feed, what to fetch."""

    servable: Servable
    signature: str
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]
    arrays: list[np.ndarray]
    outputs: tuple[str, ...] = ()
    batchable: bool = False
    examples: int = 0


def find_predict_signature(servable: Servable, name: str, *, rest: bool) -> Signature:
    """The signature of a Predict request; REST and gRPC miss it with different words and codes."""
    name = name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is not None:
        return signature
    if rest:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')


def plan_predict(
    servable: Servable,
    signature: Signature,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str] = (),
    check_method: bool = False,
) -> Plan:
    """A Predict call.

    Raises:
        StatusError: inputs or outputs that the signature does not have.
    """
    if check_method:
        _check_predict_method(signature)
    check_input_names(signature, inputs)
    arrays = [inputs[alias] if alias in inputs else _default_value(signature, alias) for alias in signature.inputs]
    aliases = _select_outputs(signature, output_filter)
    return Plan(
        servable=servable,
        signature=signature.name,
        feeds=signature.feeds,
        fetches=tuple([signature.fetches[alias] for alias in aliases]),
        arrays=arrays,
        outputs=aliases,
        batchable=signature.batchable,
    )


def _check_predict_method(signature: Signature) -> None:
    method = signature.definition.method_name
    if method not in (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD):
        raise StatusError(
            Code.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{PREDICT_METHOD}, {CLASSIFY_METHOD}, {REGRESS_METHOD}}}. Was: {method}",
        )


def _join(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def check_input_names(signature: Signature, inputs: Collection[str]) -> None:
    """The number of inputs must fit (VerifyRequestInputsSize).

    Raises:
        StatusError: it does not.
    """
    if len(inputs) == len(signature.inputs):
        return
    wanted = set(signature.inputs)
    given = set(inputs)
    if len(given) > len(wanted) or (len(given) < len(wanted) and not signature.definition.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_join(given)}}}) != "
            f"len({{{_join(wanted)}}}). Sent extra: {{{_join(given - wanted)}}}. "
            f"Missing but required: {{{_join(wanted - given)}}}."
        )


def _default_value(signature: Signature, alias: str) -> np.ndarray:
    if alias in signature.definition.defaults:
        return from_proto(signature.definition.defaults[alias], alias)
    feed = signature.definition.inputs[alias].name
    raise invalid_argument(
        f"Signature input alias: {alias}(feed name: {feed}) not found in request and no default value "
        f"provided. Inputs expected to be in the set {{{_join(signature.inputs)}}}."
    )


def _select_outputs(signature: Signature, output_filter: Sequence[str]) -> tuple[str, ...]:
    if not output_filter:
        return signature.outputs
    seen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.definition.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_join(signature.outputs)}}}."
            )
        if alias in seen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return tuple(output_filter)


def find_examples_signature(servable: Servable, name: str) -> Signature:
    """The signature of a Classify or Regress request."""
    name = name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return signature


def classify_tensors(signature: Signature, check_method: bool = False) -> tuple[str, list[str]]:
    """The input tensor and the output tensors of a classification signature (PreProcessClassification)."""
    definition = signature.definition
    if check_method and definition.method_name != CLASSIFY_METHOD:
        raise invalid_argument(
            f"Expected classification signature method_name to be {CLASSIFY_METHOD}. Was: {definition.method_name}"
        )
    if len(definition.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(definition.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if "inputs" not in definition.inputs:
        raise invalid_argument(f"No classification inputs found in SignatureDef: {definition}")
    outputs = [definition.outputs[alias].name for alias in ("classes", "scores") if alias in definition.outputs]
    if not outputs:
        raise invalid_argument(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {definition}"
        )
    return definition.inputs["inputs"].name, outputs


def regress_tensors(signature: Signature, check_method: bool = False) -> tuple[str, list[str]]:
    """The input tensor and the output tensor of a regression signature (PreProcessRegression)."""
    definition = signature.definition
    if check_method and definition.method_name != REGRESS_METHOD:
        raise invalid_argument(
            f"Expected regression signature method_name to be {REGRESS_METHOD}. Was: {definition.method_name}"
        )
    if len(definition.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if "inputs" not in definition.inputs:
        raise invalid_argument(f"No regression inputs found in SignatureDef: {definition}")
    if "outputs" not in definition.outputs:
        raise invalid_argument(f"No regression outputs found in SignatureDef: {definition}")
    return definition.inputs["inputs"].name, [definition.outputs["outputs"].name]


def plan_examples(
    servable: Servable,
    signature: str,
    feeds: Collection[str],
    fetches: Collection[str],
    examples: list[bytes],
) -> Plan:
    """A call that feeds serialized tf.Examples to all of `feeds`.

    Raises:
        StatusError: there are no examples.
    """
    if not examples:
        raise invalid_argument("Input is empty.")
    array: np.ndarray = np.empty(len(examples), dtype=object)
    array[:] = examples
    return Plan(
        servable=servable,
        signature=signature,
        feeds=tuple(feeds),
        fetches=tuple(fetches),
        arrays=[array] * len(feeds),
        batchable=True,
        examples=len(examples),
    )


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _dtype_name(array: np.ndarray) -> str:
    return "DT_" + dtypes.name(dtypes.number_of(array)).upper()


def read_classifications(
    signature: Signature, tensors: Mapping[str, np.ndarray], examples: int
) -> list[Classification]:
    """Classes and scores per example (PostProcessClassificationResult).

    Raises:
        StatusError: outputs that are not [batch, classes] of the right dtypes.
    """
    outputs = signature.definition.outputs
    classes = tensors[outputs["classes"].name] if "classes" in outputs else None
    scores = tensors[outputs["scores"].name] if "scores" in outputs else None
    for array, kind, wanted in ((classes, "classes", dtypes.STRING), (scores, "scores", dtypes.FLOAT)):
        if array is not None:
            _check_class_output(array, kind, wanted, examples)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    width = next(array.shape[1] for array in (classes, scores) if array is not None)
    labels = [[""] * width] * examples if classes is None else [[_text(v) for v in row] for row in classes.tolist()]
    values = [[0.0] * width] * examples if scores is None else scores.tolist()
    return [list(zip(*pair, strict=True)) for pair in zip(labels, values, strict=True)]


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _check_class_output(array: np.ndarray, kind: str, dtype: int, examples: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
    if dtypes.number_of(array) != dtype:
        wanted = "DT_" + dtypes.name(dtype).upper()
        raise invalid_argument(f"Expected {kind} Tensor of {wanted}. Got: {_dtype_name(array)}")
    if array.shape[0] != examples:
        raise invalid_argument(f"Expected {kind} output batch size of {examples}. Got: {array.shape[0]}")


def read_regressions(signature: Signature, tensors: Mapping[str, np.ndarray], examples: int) -> np.ndarray:
    """One float per example (PostProcessRegressionResult).

    Raises:
        StatusError: an output that is not [batch] or [batch, 1] of floats.
    """
    array = tensors[signature.definition.outputs["outputs"].name]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid_argument(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}"
        )
    if array.shape[0] != examples:
        raise invalid_argument(f"Input batch size did not match output batch size: {examples} vs. {array.shape[0]}")
    if dtypes.number_of(array) != dtypes.FLOAT:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_dtype_name(array)}")
    return array.reshape(-1)
