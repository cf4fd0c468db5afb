"""Makes the TensorFlow.js variants of a model and keeps those that agree with it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hilir.components.exporter.edge_model import SIGNATURE, EdgeModel, prepare
from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.expected_answers import (
    check_program,
    find_difference,
    make_reference,
    measure_saved_model,
    network_inputs,
)
from hilir.components.exporter.export_input import Subject
from hilir.components.exporter.export_report import describe_saved_model, finish, write_failed, write_report
from hilir.components.exporter.measure import RUNS, gzipped_size
from hilir.components.exporter.parity import Reference, compare
from hilir.components.exporter.settings import Bounds, TFJSSettings
from hilir.components.exporter.tfjs import tfjs_toolchain
from hilir.components.trainer.export.class_names import read_classes
from hilir.components.trainer.export.label_names import find_labelled, read_labels
from hilir.components.trainer.export.safe_names import read_parameters

FORMAT = "tfjs"
SHARD_BYTES = 4 * 1024 * 1024

_SHIPPED = ("model.js", "preprocessing.js")


def export_tfjs(subject: Subject, settings: TFJSSettings, folder: str, *, skip: bool = False) -> dict[str, Any]:
    """Writes a folder for each variant within its bounds, the loader, and `export.json`; returns what the latter holds.

    The network's numeric inputs are in the graph; what comes before them is in `preprocessing.json`, which the loader
    computes. Each variant is verified with that loader in Node.js on TensorFlow.js's CPU backend.

    Args:
        subject: what is exported.
        settings: the variants and their bounds.
        folder: where to write, which exists.
        skip: whether variants that cannot be converted are left out and reported.

    Raises:
        ExportError: the conversion failed; a variant that is merely out of bounds is left out and reported.
    """
    try:
        return _export(subject, settings, folder)
    except Exception as error:
        if not skip:
            raise
        return write_failed(folder, {"format": FORMAT, "model": subject.model}, settings.variants, error)


def _export(subject: Subject, settings: TFJSSettings, folder: str) -> dict[str, Any]:
    target = Path(folder)
    with tempfile.TemporaryDirectory() as work:
        edge = prepare(subject.saved_model, work)
        if edge.refusal:
            raise ExportError(f"TensorFlow.js: {edge.refusal}")
        reference = make_reference(edge, subject)
        report = _describe(subject, edge)
        _write_beside(edge, subject, target)
        convert_variants(edge, settings, target, work)
        write_report(folder, report)  # the loader reads it
        proofs = _run(edge, subject, settings, target, work)
        if edge.program is not None:
            _check_transformed(proofs["transformed"], network_inputs(edge, subject.rows))
        for name in settings.variants:
            bounds = settings.bounds[name]
            report["variants"][name] = _judge(target / name, proofs["variants"][name], reference, bounds)
            report["variants"][name]["runtime"] = proofs["runtime"]
        finish(folder, report)
    return report


def _describe(subject: Subject, edge: EdgeModel) -> dict[str, Any]:
    outputs = edge.loaded.signatures[SIGNATURE].structured_outputs
    return {
        "format": FORMAT,
        "model": subject.model,
        "examples": len(subject.rows.serialized),
        "labels": list(subject.labels),
        "labelled": find_labelled(read_labels(subject.saved_model), read_classes(subject.saved_model), sorted(outputs)),
        "preprocessing": "preprocessing.json" if edge.program else None,
        "inputs": _describe_inputs(edge),
        "outputs": {name: {"dtype": s.dtype.name, "shape": list(s.shape[1:])} for name, s in outputs.items()},
        "saved_model": describe_saved_model(subject.saved_model, measure_saved_model(edge, subject.rows)),
        "variants": {},
    }


def _describe_inputs(edge: EdgeModel) -> dict[str, dict[str, Any]]:
    program = edge.program
    return {
        name: {
            "dtype": spec.dtype.name,
            "shape": list(spec.shape[1:]),
            "optional": program.inputs[name].optional if program else name in edge.typical,
            **({"missing": edge.typical[name]} if name in edge.typical else {}),
        }
        for name, spec in _raw_specs(edge).items()
    }


def _raw_specs(edge: EdgeModel) -> dict[str, tf.TensorSpec]:
    specs = edge.inputs("serving_default")
    names = edge.program.inputs if edge.program else specs
    return {name: specs[name] for name in sorted(names)}


def _write_beside(edge: EdgeModel, subject: Subject, target: Path) -> None:
    for name in _SHIPPED:
        shutil.copyfile(tfjs_toolchain.script(f"js/{name}"), target / name)
    if edge.program is not None:
        check_program(edge, subject.rows)
        (target / "preprocessing.json").write_text(edge.program.to_json(), encoding="utf-8")


def convert_variants(edge: EdgeModel, settings: TFJSSettings, target: Path, work: str) -> None:
    """Writes a folder for each variant below `target`.

    Raises:
        ExportError: the conversion failed, or the converter is missing.
    """
    job = {
        "saved_model": edge.network,
        "signature": SIGNATURE,
        "inputs": {parameter: name for name, parameter in read_parameters(edge.network)[SIGNATURE].items()},
        "shard_bytes": SHARD_BYTES,
        "variants": {name: str(target / name) for name in settings.variants},
    }
    python = tfjs_toolchain.find_converter()
    tfjs_toolchain.run_program(
        [str(python), tfjs_toolchain.script("tfjs_convert.py")], job, work, "the TensorFlow.js converter"
    )


def _run(edge: EdgeModel, subject: Subject, settings: TFJSSettings, target: Path, work: str) -> dict[str, Any]:
    """Returns what all variants say on the examples in Node.js, and what it costs."""
    columns = subject.rows.columns(_raw_specs(edge))
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    examples, outputs = Path(work) / "examples.json", Path(work) / "outputs.json"
    examples.write_text(json.dumps(rows), encoding="utf-8")
    node, modules = tfjs_toolchain.find_node()
    job = {
        "modules": str(modules), "export": str(target), "variants": list(settings.variants),
        "examples": str(examples), "outputs": str(outputs), "runs": RUNS,
    }  # fmt: skip
    tfjs_toolchain.run_program([node, tfjs_toolchain.script("js/verify.mjs")], job, work, "TensorFlow.js in Node.js")
    found: dict[str, Any] = json.loads(outputs.read_text(encoding="utf-8"))
    return found


def _judge(folder: Path, found: dict[str, Any], reference: Reference, bounds: Bounds) -> dict[str, Any]:
    """Returns the figures of one variant; its folder is removed if it is out of bounds."""
    parity = compare(reference, _to_arrays(found["predictions"], reference))
    reasons = parity.broken(bounds)
    files = sorted(folder.iterdir())
    figures = {
        "kept": not reasons,
        "reasons": reasons,
        "notes": [],
        "files": [] if reasons else [f"{folder.name}/{path.name}" for path in files],
        "bytes": sum(path.stat().st_size for path in files),
        "gzipped_bytes": gzipped_size(path.read_bytes() for path in files),
        "load_ms": round(found["load_ms"], 3),
        "latency_ms": {key: round(value, 4) for key, value in found["latency_ms"].items()},
        "peak_memory_bytes": found["peak_memory_bytes"],
        "parity": parity.to_dict(),
    }
    if reasons:
        shutil.rmtree(folder)
    return figures


def _check_transformed(found: list[dict[str, list[float]]], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        mine = np.array([row[name] for row in found], values.dtype if values.dtype == object else np.float64)
        mine = mine.reshape(values.shape)
        row = find_difference(mine, values)
        if row is not None:
            raise ExportError(
                f"preprocessing.js gives {mine[row].tolist()} for '{name}' of row {row} where TensorFlow Transform "
                f"gives {values[row].tolist()}; use simpler operations for it in preprocessing_fn"
            )


def _to_arrays(predictions: list[dict[str, Any]], reference: Reference) -> dict[str, np.ndarray]:
    return {
        name: np.array([row[name] for row in predictions], np.float32).reshape(expected.shape)
        for name, expected in reference.outputs.items()
    }
