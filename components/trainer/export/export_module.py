"""The signatures of an exported model; all of them share one transform graph and one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.trainer.export.class_names import ClassIndex, name_scores
from hilir.components.trainer.export.label_columns import find_label_columns
from hilir.components.trainer.export.raw_features import (
    RawFeature,
    Tensors,
    dense_column,
    list_required,
    make_raw_features,
    parse_as_is,
    parse_raw,
    to_dense,
    type_specs,
)
from hilir.components.trainer.export.safe_names import NamedFunction, trace
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.network import list_variables, name_outputs, select_inputs


class ExportModule(tf.Module):
    """Holds the trained network and the transform graph, and their signatures.

    - `serving_default`: raw features by name to the outputs, and `classes`, the name of the class of each score, where
      the label is a string; the features have shape [rows] or [rows, …], and [rows, values] where a row may have
      several; missing values as NaN, "" or MISSING_INT, which also pad rows with fewer values at their end;
    - `examples`: serialized tf.Examples, [rows];
    - `classify` or `regress`: the same under the names that the Classify and Regress APIs of TensorFlow Serving want;
    - `transform_features`: serialized tf.Examples to the transformed features, also the label where its columns are
      (they may be left out); sparse and ragged ones are padded like the inputs of `serving_default`;
    - `label`: serialized tf.Examples to the labels alone, which the Evaluator compares with; those that are strings as
      the numbers of their classes;
    - `edge`: numeric inputs only, for TensorFlow Lite and TensorFlow.js.
    """

    def __init__(
        self,
        model: Any,
        transform: tft.TFTransformOutput,
        package: ModelPackage,
        classes: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Makes the module.

        Args:
            model: the trained network, of any kind that `hilir.components.trainer.network` knows.
            transform: the transform graph.
            package: the model package.
            classes: names of the classes of the labels that are strings.

        Raises:
            ModelPackageError: a feature has a shape that no signature can take.
        """
        super().__init__()
        self._model = model
        self.variables_of_model = list_variables(model)
        self.transform_layer = transform.transform_features_layer()
        self._labels = package.labels
        self._outputs = package.labels_of_outputs
        self._classes = classes
        self._label_of_output = package.label
        self.class_index = {label: ClassIndex(names) for label, names in classes.items()}
        self._raw_spec = transform.raw_feature_spec()
        self._raw = make_raw_features(self._raw_spec, transform.raw_metadata.schema)
        specs = type_specs(self._raw)
        read = tft.get_transform_input_columns(package.preprocessing_fn, specs)
        self.label_columns = find_label_columns(package.label_columns, package.labels, package.preprocessing_fn, specs)
        # What a caller has to give: what preprocessing_fn reads, without the label's.
        self._served = {
            name: self._raw[name]
            for name in self._raw_spec
            if name in read and name not in (*self.label_columns, package.weight)
        }
        spec = transform.transformed_feature_spec()
        self._transformed = make_raw_features(
            {name: spec[name] for name in spec if name not in package.no_features},
            transform.transformed_metadata.schema,
        )
        # One trace each, which all signatures call: tracing is most of what an export costs.
        self._predict = tf.function(self._predict_rows, input_signature=[type_specs(self._served)], autograph=False)
        self._transform = tf.function(self._transform_rows, input_signature=[type_specs(self._raw)], autograph=False)

    @property
    def typical(self) -> dict[str, Any]:
        """What stands for an empty cell, by raw feature, where preprocessing_fn needs a value in each row."""
        return {name: found.typical for name, found in self._served.items() if found.typical is not None}

    def signatures(self) -> dict[str, NamedFunction]:
        """Returns the functions by signature name."""
        serialized = tf.TensorSpec([None], tf.string)
        examples = {"examples": serialized}
        found = {
            "serving_default": trace(self._serve_with_classes, _dense_specs(self._served)),
            "examples": trace(lambda inputs: self._examples(inputs["examples"]), examples),
            "transform_features": trace(lambda inputs: self._transform_examples(inputs["examples"]), examples),
            "label": trace(lambda inputs: self._label_of(inputs["examples"]), examples),
            "edge": self._edge(),
        }
        outputs = found["examples"].function.structured_outputs
        if len(outputs) == 1:
            (output,) = outputs.values()
            name = "regress" if output.shape[-1] == 1 else "classify"
            alias = "outputs" if name == "regress" else "scores"

            def ask(inputs: dict[str, Any]) -> Tensors:
                outputs = self._examples(inputs["inputs"])
                (values,) = outputs.values()
                return {alias: values} | (self._class_names(outputs) if alias == "scores" else {})

            found[name] = trace(ask, {"inputs": serialized})
        return found

    def _predict_rows(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        transformed = self.transform_layer(raw)
        return self._answer({name: transformed[name] for name in self._transformed})

    def _answer(self, features: dict[str, Any]) -> Tensors:
        """Returns what the network answers by the name of the output."""
        answer = self._model(select_inputs(self._model, features), training=False)
        return {name: tf.identity(value) for name, value in name_outputs(self._model, answer, self._outputs).items()}

    def _serve(self, features: Tensors) -> Tensors:
        outputs: Tensors = self._predict(
            {name: found.from_dense(features[name]) for name, found in self._served.items()}
        )
        return outputs

    def _serve_with_classes(self, features: Tensors) -> Tensors:
        outputs = self._serve(features)
        return outputs | self._class_names(outputs)

    def _class_names(self, outputs: Tensors) -> Tensors:
        label = self._label_of_output
        of = dict.fromkeys(outputs, label) if isinstance(label, str) else label
        return name_scores(outputs, {name: self._classes[of[name]] for name in of if of[name] in self._classes})

    def _examples(self, examples: tf.Tensor) -> Tensors:
        outputs: Tensors = self._predict(parse_raw(examples, self._served))
        return outputs

    def _transform_rows(self, raw: dict[str, Any]) -> Tensors:
        return {name: to_dense(value) for name, value in self.transform_layer(raw).items()}

    def _transform_examples(self, examples: tf.Tensor) -> Tensors:
        transformed: Tensors = self._transform(parse_as_is(examples, self._raw, list_required(self._served)))
        return transformed

    def _label_of(self, examples: tf.Tensor) -> Tensors:
        transformed = self.transform_layer(parse_raw(examples, self._raw))
        found = {name: dense_column(transformed[name]) for name in self._labels}
        return {name: self.class_index[name](v) if name in self.class_index else v for name, v in found.items()}

    def _edge(self) -> NamedFunction:
        """Takes the raw features where all of them are plain numbers, else the transformed ones."""
        if all(found.is_fixed and found.dtype != tf.string for found in self._served.values()):
            # A device has all values, and its operators may not compare with NaN.
            whole = {name: replace(found, typical=None) for name, found in self._served.items()}

            def serve(features: Tensors) -> Tensors:
                outputs: Tensors = self._predict(
                    {name: found.from_dense(features[name]) for name, found in whole.items()}
                )
                return outputs

            return trace(serve, _dense_specs(whole))

        def predict(features: Tensors) -> Tensors:
            inputs = {name: found.from_dense(features[name]) for name, found in self._transformed.items()}
            return self._answer(inputs)

        return trace(predict, {name: found.whole_spec for name, found in self._transformed.items()})


def _dense_specs(features: dict[str, RawFeature]) -> dict[str, tf.TensorSpec]:
    return {name: found.dense_spec for name, found in features.items()}
