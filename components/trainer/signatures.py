"""The signatures of an exported model; all of them share one transform graph and one network."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

MISSING_INT = -(2**63)
"""How a caller of `serving_default` says that a whole number is missing; a float says NaN, a text is empty."""


class ExportModule(tf.Module):
    """Holds the trained network and the transform graph, and their signatures.

    - `serving_default`: raw features by name, shape [rows] or [rows, …]; missing values as NaN, "" or MISSING_INT;
    - `examples`: serialized tf.Examples, [rows];
    - `classify` or `regress`: the same under the names that the Classify and Regress APIs of TensorFlow Serving want;
    - `transform_features`: serialized tf.Examples to the transformed features, the label too where its columns are there;
    - `label`: serialized tf.Examples to the label alone, which the Evaluator compares with;
    - `edge`: numeric inputs only, for TensorFlow Lite and TensorFlow.js.
    """

    def __init__(
        self, model: Any, transform: tft.TFTransformOutput, label: str, label_columns: tuple[str, ...]
    ) -> None:
        """`model`: the trained network, features by name in, outputs by name out."""
        super().__init__()
        self._model = model
        self.variables_of_model = model.variables
        self.transform_layer = transform.transform_features_layer()
        self._label = label
        self._raw_spec = transform.raw_feature_spec()
        self._served = {name: spec for name, spec in self._raw_spec.items() if name not in label_columns}
        self._transformed = {name: s for name, s in transform.transformed_feature_spec().items() if name != label}

    def signatures(self) -> dict[str, Any]:
        """Returns the concrete functions by signature name."""
        serialized = tf.TensorSpec([None], tf.string)
        examples = tf.function(self._examples)
        found = {
            "serving_default": tf.function(self._serve).get_concrete_function(
                **{name: _dense_spec(name, spec) for name, spec in self._served.items()}
            ),
            "examples": examples.get_concrete_function(examples=tf.TensorSpec([None], tf.string, "examples")),
            "transform_features": tf.function(self._transform).get_concrete_function(
                examples=tf.TensorSpec([None], tf.string, "examples")
            ),
            "label": tf.function(self._label_of).get_concrete_function(
                examples=tf.TensorSpec([None], tf.string, "examples")
            ),
            "edge": self._edge(),
        }
        outputs = examples.get_concrete_function(examples=serialized).structured_outputs
        if len(outputs) == 1:
            (output,) = outputs.values()
            name = "regress" if output.shape[-1] == 1 else "classify"
            alias = "outputs" if name == "regress" else "scores"

            def api(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
                return {alias: next(iter(self._examples(inputs).values()))}

            found[name] = tf.function(api).get_concrete_function(tf.TensorSpec([None], tf.string, "inputs"))
        return found

    def _predict(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        transformed = self.transform_layer(raw)
        outputs = self._model({name: transformed[name] for name in self._transformed}, training=False)
        return {name: tf.identity(value, name) for name, value in outputs.items()}

    def _serve(self, **features: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._predict({name: _to_raw(features[name], spec) for name, spec in self._served.items()})

    def _examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._predict(tf.io.parse_example(examples, self._served))

    def _transform(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        transformed: dict[str, tf.Tensor] = self.transform_layer(tf.io.parse_example(examples, self._raw_spec))
        return transformed

    def _label_of(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {self._label: self._transform(examples)[self._label]}

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
