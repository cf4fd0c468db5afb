"""The signatures of an exported model; all of them share one transform graph and one network."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.missing import MISSING_INT
from hilir.components.trainer.model_package import ModelPackage


class ExportModule(tf.Module):
    """Holds the trained network and the transform graph, and their signatures.

    - `serving_default`: raw features by name, shape [rows] or [rows, …]; missing values as NaN, "" or MISSING_INT;
    - `examples`: serialized tf.Examples, [rows];
    - `classify` or `regress`: the same under the names that the Classify and Regress APIs of TensorFlow Serving want;
    - `transform_features`: serialized tf.Examples to the transformed features, also the label where its columns are;
    - `label`: serialized tf.Examples to the label alone, which the Evaluator compares with;
    - `edge`: numeric inputs only, for TensorFlow Lite and TensorFlow.js.
    """

    def __init__(self, model: Any, transform: tft.TFTransformOutput, package: ModelPackage) -> None:
        """`model`: the trained network, features by name in, outputs by name out."""
        super().__init__()
        self._model = model
        self.variables_of_model = model.variables
        self.transform_layer = transform.transform_features_layer()
        self._label = package.label
        self._raw_spec = transform.raw_feature_spec()
        self._served = _served(self._raw_spec, package)
        spec = transform.transformed_feature_spec()
        self._transformed = {name: spec[name] for name in spec if name != package.label}
        # One trace each, which all signatures call: tracing is most of what an export costs.
        self._predict = tf.function(self._predict_rows, input_signature=[_type_specs(self._served)], autograph=False)
        self._transform = tf.function(
            self._transform_rows, input_signature=[_type_specs(self._raw_spec)], autograph=False
        )

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by signature name."""
        examples = tf.TensorSpec([None], tf.string, "examples")
        found = {
            "serving_default": tf.function(self._serve).get_concrete_function(
                **{name: _dense_spec(name, spec) for name, spec in self._served.items()}
            ),
            "examples": tf.function(self._examples).get_concrete_function(examples=examples),
            "transform_features": tf.function(self._transform_examples).get_concrete_function(examples=examples),
            "label": tf.function(self._label_of).get_concrete_function(examples=examples),
            "edge": self._edge(),
        }
        outputs = found["examples"].structured_outputs
        if len(outputs) == 1:
            (output,) = outputs.values()
            name = "regress" if output.shape[-1] == 1 else "classify"
            alias = "outputs" if name == "regress" else "scores"

            def api(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
                return {alias: next(iter(self._examples(inputs).values()))}

            found[name] = tf.function(api).get_concrete_function(tf.TensorSpec([None], tf.string, "inputs"))
        return found

    def _predict_rows(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        transformed = self.transform_layer(raw)
        outputs = self._model({name: transformed[name] for name in self._transformed}, training=False)
        return {name: tf.identity(value, name) for name, value in outputs.items()}

    def _serve(self, **features: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = self._predict(
            {name: _to_raw(features[name], spec) for name, spec in self._served.items()}
        )
        return outputs

    def _examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = self._predict(tf.io.parse_example(examples, self._served))
        return outputs

    def _transform_rows(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        transformed: dict[str, tf.Tensor] = self.transform_layer(raw)
        return transformed

    def _transform_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        transformed: dict[str, tf.Tensor] = self._transform(tf.io.parse_example(examples, self._raw_spec))
        return transformed

    def _label_of(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {self._label: self._transform_examples(examples)[self._label]}

    def _edge(self) -> Any:
        """Takes the raw features where all of them are plain numbers, else the transformed ones."""
        plain = all(
            isinstance(spec, tf.io.FixedLenFeature) and spec.dtype != tf.string for spec in self._served.values()
        )
        if plain:
            return tf.function(self._serve).get_concrete_function(
                **{name: _dense_spec(name, spec) for name, spec in self._served.items()}
            )

        def predict(**features: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs: dict[str, tf.Tensor] = self._model(features, training=False)
            return outputs

        return tf.function(predict).get_concrete_function(
            **{name: tf.TensorSpec([None, *spec.shape], spec.dtype, name) for name, spec in self._transformed.items()}
        )


def _served(raw_spec: dict[str, Any], package: ModelPackage) -> dict[str, Any]:
    """Returns the raw features that a caller has to give: those that preprocessing_fn reads, without the label's."""
    read = tft.get_transform_input_columns(package.preprocessing_fn, _type_specs(raw_spec))
    return {name: raw_spec[name] for name in raw_spec if name in read and name not in package.label_columns}


def _type_specs(feature_spec: dict[str, Any]) -> dict[str, tf.TypeSpec]:
    return {name: _type_spec(spec) for name, spec in feature_spec.items()}


def _type_spec(spec: Any) -> tf.TypeSpec:
    if isinstance(spec, tf.io.FixedLenFeature):
        return tf.TensorSpec([None, *spec.shape], spec.dtype)
    if isinstance(spec, tf.io.VarLenFeature):
        return tf.SparseTensorSpec([None, None], spec.dtype)
    return tf.RaggedTensorSpec([None, None], spec.dtype)


def _dense_spec(name: str, spec: Any) -> tf.TensorSpec:
    shape = list(spec.shape) if isinstance(spec, tf.io.FixedLenFeature) else []
    return tf.TensorSpec([None, *(shape if shape != [1] else [])], spec.dtype, name)


def _to_raw(values: tf.Tensor, spec: Any) -> tf.Tensor | tf.SparseTensor:
    """Returns what `tf.io.parse_example` would give for the same row."""
    if isinstance(spec, tf.io.FixedLenFeature):
        return tf.reshape(values, [-1, *spec.shape])
    rows = tf.where(_is_present(values))
    positions = tf.concat([rows, tf.zeros_like(rows)], axis=1)
    shape = tf.stack([tf.shape(values, out_type=tf.int64)[0], tf.constant(1, tf.int64)])
    return tf.SparseTensor(positions, tf.gather_nd(values, rows), shape)


def _is_present(values: tf.Tensor) -> tf.Tensor:
    if values.dtype == tf.string:
        return tf.not_equal(values, "")
    if values.dtype.is_floating:
        return tf.logical_not(tf.math.is_nan(values))
    return tf.not_equal(values, tf.constant(MISSING_INT, values.dtype))
