"""Asks the SavedModel what it says on the examples, and what is true of them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from hilir.components.exporter.edge_model import SIGNATURE, EdgeModel, read_edge_inputs
from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.example_rows import Rows
from hilir.components.exporter.export_input import Subject
from hilir.components.exporter.measure import measure_latencies
from hilir.components.exporter.parity import MetricSpec, Reference, has_label
from hilir.components.exporter.transform.interpreter import transform
from hilir.components.trainer.export.label_names import read_labels


def make_reference(edge: EdgeModel, subject: Subject) -> Reference:
    """Returns the outputs of the signature `examples` and the labels of the signature `label`.

    Raises:
        ExportError: the outputs are not numbers, none of several labels belongs to the output of the metric, or no row
            has a label.
    """
    signatures, rows, metric = edge.loaded.signatures, subject.rows, subject.metric
    outputs = {name: value.numpy() for name, value in signatures["examples"](examples=rows.tensor()).items()}
    for name, value in outputs.items():
        if value.dtype.kind not in "fiu":
            raise ExportError(
                f"the model's output '{name}' is {value.dtype}, not numbers; exports compare numbers only"
            )
    labels = {name: value.numpy() for name, value in signatures["label"](examples=rows.tensor()).items()}
    of_output = read_labels(subject.saved_model)
    return Reference(outputs, _choose_label(labels, of_output, metric.choose_output(outputs), metric), metric)


def _choose_label(
    labels: dict[str, np.ndarray], of_output: dict[str, str], output: str, metric: MetricSpec
) -> np.ndarray:
    label = next(iter(labels)) if len(labels) == 1 else of_output.get(output, output)
    if label not in labels:
        raise ExportError(
            f"exports are compared by '{metric.name}' of the output '{output}', which has no label in features.LABEL; "
            f"give it one of {', '.join(sorted(labels))}, or set export.metric to the metric of another output"
        )
    if not has_label(labels[label]).any():
        raise ExportError(
            f"exports are compared by '{metric.name}', and none of the {len(labels[label]):,} examples has the label "
            f"'{label}'; set export.examples to more"
        )
    return labels[label]


def raw_inputs(edge: EdgeModel, rows: Rows) -> dict[str, np.ndarray]:
    """Returns the rows as inputs of the model with raw features, missing values marked."""
    assert edge.raw is not None
    return rows.arrays(read_edge_inputs(edge.raw))


def network_inputs(edge: EdgeModel, rows: Rows) -> dict[str, np.ndarray]:
    """Returns the rows as inputs of the network, transformed by TensorFlow Transform where it takes no raw features."""
    if edge.takes_raw:
        return rows.arrays(edge.inputs(SIGNATURE), edge.typical)
    transformed = edge.loaded.signatures["transform_features"](examples=rows.tensor())
    return {name: transformed[name].numpy() for name in read_edge_inputs(edge.network)}


def check_program(edge: EdgeModel, rows: Rows) -> None:
    """Compares `preprocessing.json`, computed with NumPy, with TensorFlow Transform on the rows.

    Raises:
        ExportError: a transformed feature of a row differs; the message names both.
    """
    assert edge.program is not None
    specs = edge.inputs("serving_default")
    columns = rows.columns({name: specs[name] for name in edge.program.inputs})
    found = transform(edge.program, columns)
    for name, expected in network_inputs(edge, rows).items():
        row = find_difference(found[name], expected)
        if row is not None:
            raise ExportError(
                f"preprocessing.json gives {found[name][row].tolist()} for '{name}' of row {row} where TensorFlow "
                f"Transform gives {expected[row].tolist()}; use simpler operations for it in preprocessing_fn"
            )


def find_difference(found: np.ndarray, expected: np.ndarray) -> int | None:
    """Returns the first row in which transformed features differ: texts at all, numbers by more than 1e-6.

    Args:
        found: shape [rows, …]; texts as str.
        expected: the same shape; texts as bytes, which is how TensorFlow has them.
    """
    if expected.dtype == object:
        texts = [value.decode("utf-8", "surrogateescape") for value in expected.reshape(-1).tolist()]
        close = found == np.array(texts, object).reshape(expected.shape)
    else:
        close = np.isclose(found, expected, rtol=1e-6, atol=1e-6, equal_nan=True)
    rows = close.reshape(len(expected), -1).all(axis=1)
    return None if rows.all() else int(np.argmin(rows))


def measure_saved_model(edge: EdgeModel, rows: Rows) -> dict[str, float]:
    """Returns the latency of `serving_default` for one row, in milliseconds."""
    function, parameters = edge.loaded.signatures["serving_default"], edge.parameters["serving_default"]
    row = Rows(rows.serialized[:1]).arrays(edge.inputs("serving_default"))
    values = {parameters[name]: tf.constant(value) for name, value in row.items()}
    return measure_latencies({"serving_default": lambda: function(**values)})["serving_default"]
