"""How TFMA gets features, labels, predictions and slices here, in place of its default extractors.

Against TFMA's defaults:

- the label comes from the candidate's signature `label` alone, which is the mapping of today's data: an older baseline
  may not be able to read today's rows by its own;
- rows without a label are left out, as they are from the training;
- slices see the raw columns alone, also where the label or a transformed feature has the name of one;
- a baseline whose only output has another name than the candidate's is compared all the same;
- a baseline that cannot answer says so by `BaselineRefusal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api import types
from tensorflow_model_analysis.extractors import (
    example_weights_extractor,
    extractor,
    features_extractor,
    slice_key_extractor,
    unbatch_extractor,
)
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import model_util

from hilir.components.errors import EvaluationError
from hilir.components.evaluator.outputs import named_outputs
from hilir.components.missing import is_missing

_NOT_NUMBERS = "the model answers NaN"
_MARK = "the baseline cannot answer:"
_REQUIRED = re.compile(r"Feature: (.+?) \(data type: \w+\) is required but could not be found")
_OTHER_TYPE = re.compile(
    r"Key: ([^\n]*?), Index: \d+\.\s+Data types don't match\. Data type: (\w+) but expected type: (\w+)"
)


class BaselineRefusal(Exception):
    """The baseline cannot answer the rows of today; the message says why."""


def find_refusal(error: BaseException) -> str | None:
    """Returns why the baseline cannot answer, if that is what stopped Beam; runners keep only the text of an error."""
    return _find_marked(error, _MARK)


def find_bad_answer(error: BaseException) -> str | None:
    """Returns what the candidate answers that is not a number, if that is what stopped Beam."""
    found = _find_marked(error, _NOT_NUMBERS)
    return None if found is None else f"{_NOT_NUMBERS} {found}"


def _find_marked(error: BaseException, mark: str) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if mark in str(cause):
            return str(cause).partition(mark)[2].strip().partition(" [while running")[0].splitlines()[0]
        cause = cause.__cause__ or cause.__context__
    return None


def list_extractors(
    models: Sequence[types.EvalSharedModel],
    eval_config: config_pb2.EvalConfig,
    representations: Mapping[str, Any],
    *,
    batched: bool,
) -> list[extractor.Extractor]:
    """Returns the extractors in their order.

    Args:
        models: the candidate, and the baseline if there is one.
        eval_config: names label, weight and slices.
        representations: how columns become tensors.
        batched: whether batches are evaluated, by `grouped`; else single rows, by TFMA's evaluator.
    """
    extractors = [
        features_extractor.FeaturesExtractor(eval_config, representations),
        extractor.Extractor("ExtractLabels", ExtractLabels(eval_config, models)),
        example_weights_extractor.ExampleWeightsExtractor(eval_config),
        extractor.Extractor("ExtractPredictions", ExtractPredictions(eval_config, models)),
    ]
    if batched:
        return extractors
    return [
        *extractors,
        unbatch_extractor.UnbatchExtractor(),
        extractor.Extractor("LeaveOutUnlabelled", LeaveOutUnlabelled()),
        slice_key_extractor.SliceKeyExtractor(eval_config=eval_config, materialize=False),
    ]


class ExtractLabels(beam.PTransform):
    """Adds the labels of a batch, an array [rows, …], or one for each output that has its own label."""

    def __init__(self, config: config_pb2.EvalConfig, models: Sequence[types.EvalSharedModel]) -> None:
        super().__init__()
        self._spec = next(spec for spec in config.model_specs if not spec.is_baseline)
        self._model = next(model for model in models if not model.is_baseline)

    def expand(self, extracts: Any) -> Any:
        """Returns the extracts with `labels`."""
        labels = dict(self._spec.label_keys)
        called = extracts | "Call" >> beam.ParDo(
            _call([self._spec], self._model, (constants.LABELS_KEY,), "label", as_dict=bool(labels))
        )
        return called | "Name" >> beam.Map(_name_labels, labels) if labels else called


class LeaveOutUnlabelled(beam.PTransform):
    """Leaves out the rows whose label is missing, and those of a class that the candidate does not know."""

    def expand(self, extracts: Any) -> Any:
        """Returns the extracts with a label."""
        return extracts | "Filter" >> beam.Filter(lambda found: has_labels(found[constants.LABELS_KEY]))


def has_labels(found: np.ndarray | Mapping[str, np.ndarray]) -> bool:
    """Says whether a row has its label, or all of its labels by output."""
    labels = [np.asarray(each) for each in (found.values() if isinstance(found, Mapping) else [found])]
    return not any(label.size == 1 and is_missing(label.item()) for label in labels)


def _name_labels(extracts: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    found = extracts[constants.LABELS_KEY]
    return extracts | {constants.LABELS_KEY: {output: found[label] for output, label in labels.items()}}


class ExtractPredictions(beam.PTransform):
    """Adds the predictions of a batch: by model where there is a baseline, by output where there are several."""

    def __init__(self, config: config_pb2.EvalConfig, models: Sequence[types.EvalSharedModel]) -> None:
        super().__init__()
        self._config = config
        self._models = {model.model_name if len(models) > 1 else "": model for model in models}

    def expand(self, extracts: Any) -> Any:
        """Returns the extracts with `predictions`."""
        outputs = named_outputs(self._config)
        several = len(self._models) > 1
        for spec in self._config.model_specs:
            model = self._models[spec.name if several else ""]
            path = (constants.PREDICTIONS_KEY, *([spec.name] if several else []))
            kind = _BaselineCall if spec.is_baseline else _CandidateCall
            name = spec.name or "model"
            extracts |= f"Call {name}" >> beam.ParDo(_call([spec], model, path, spec.signature_name, kind=kind))
            if spec.is_baseline:
                extracts |= f"Outputs of {name}" >> beam.Map(_fit_outputs, spec.name, frozenset(outputs))
        return extracts


def _fit_outputs(extracts: dict[str, Any], model: str, outputs: frozenset[str]) -> dict[str, Any]:
    """Gives the only output of a baseline the name, or none, that the candidate's has."""
    predictions = dict(extracts[constants.PREDICTIONS_KEY])
    found = predictions[model]
    if outputs and not isinstance(found, dict):
        predictions[model] = dict.fromkeys(outputs, found)
    return extracts | {constants.PREDICTIONS_KEY: predictions}


class _CandidateCall(model_util.ModelSignaturesDoFn):
    def process(self, element: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for extracts in super().process(element):
            _check_numbers(extracts[constants.PREDICTIONS_KEY])
            yield extracts


def _check_numbers(predictions: Any) -> None:
    """Refuses a model that answers what is not a number; metrics would leave it out, or pass it on.

    Raises:
        EvaluationError: a score of a row is NaN.
    """
    if isinstance(predictions, dict):
        for each in predictions.values():
            _check_numbers(each)
        return
    scores = np.asarray(predictions)
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        rows = int(np.isnan(scores.reshape(len(scores), -1)).any(axis=1).sum())
        raise EvaluationError(
            f"{_NOT_NUMBERS} for {rows} of the first {len(scores)} rows that were asked; look for missing or infinite "
            f"values in preprocessing_fn, and for a loss that grew without bounds"
        )


class _BaselineCall(model_util.ModelSignaturesDoFn):
    def process(self, element: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from super().process(element)
        except Exception as error:
            raise BaselineRefusal(f"{_MARK} {_explain(error)}") from error


def _explain(error: BaseException) -> str:
    cause: BaseException | None = error
    text = ""
    while cause is not None:
        text = str(cause)
        found = _REQUIRED.search(text)
        if found:
            return f"it needs a value of '{found.group(1)}' in each row, and there are rows without one"
        found = _OTHER_TYPE.search(text)
        if found:
            return f"it takes '{found.group(1)}' as {found.group(3)}, and the data has {found.group(2)}"
        cause = cause.__cause__ or cause.__context__
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__


def _call(
    specs: list[config_pb2.ModelSpec],
    model: types.EvalSharedModel,
    path: tuple[str, ...],
    signature: str,
    *,
    kind: type[Any] = model_util.ModelSignaturesDoFn,
    as_dict: bool = False,
) -> Any:
    return kind(
        model_specs=specs,
        eval_shared_models={"": model},
        output_keypath=list(path),
        signature_names={"": [signature]},
        prefer_dict_outputs=as_dict,
    )
