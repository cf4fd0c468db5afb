"""Makes the TensorFlow Lite variants of a model and keeps those that agree with it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hilir.components.exporter.edge_model import EdgeModel, prepare, write_single
from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.example_rows import Rows
from hilir.components.exporter.expected_answers import (
    check_program,
    make_reference,
    measure_saved_model,
    network_inputs,
    raw_inputs,
)
from hilir.components.exporter.export_input import Subject
from hilir.components.exporter.export_report import describe_saved_model, finish, write_failed
from hilir.components.exporter.measure import PeakMemory, gzipped_size, measure_latencies
from hilir.components.exporter.parity import Reference, compare
from hilir.components.exporter.settings import Bounds, TFLiteSettings, TFLiteVariant
from hilir.components.exporter.tflite import tflite_convert, tflite_file
from hilir.components.exporter.tflite.one_row import fix_rows

FORMAT = "tflite"

_SINGLE = "takes one row at a time, reset its variables before each: the converter cannot do any number of rows"

_NO_PROGRAM = "takes what preprocessing_fn returns, which devices cannot compute; the signature transform_features does"


def export_tflite(
    subject: Subject, calibration: Rows, settings: TFLiteSettings, folder: str, *, skip: bool = False
) -> dict[str, Any]:
    """Writes `<variant>.tflite` for each variant within its bounds, and `export.json`; returns what the latter holds.

    float32, dynamic_range and float16 take raw features, unless `settings.inputs` is `transformed`. The integer
    variants take the transformed ones if there is a transform graph, since a scale and a zero point fit no text and no
    wide range. `preprocessing.json` then says how to compute them, if devices can.

    Args:
        subject: what is exported.
        calibration: examples of the training split, for the integer variants.
        settings: the variants and their bounds.
        folder: where to write, which exists.
        skip: whether a variant that cannot be converted is left out and reported.

    Raises:
        ExportError: a conversion failed; a variant that is merely out of bounds is left out and reported.
    """
    try:
        return _export(subject, calibration, settings, folder, skip=skip)
    except Exception as error:
        if not skip:
            raise
        return write_failed(folder, {"format": FORMAT, "model": subject.model}, settings.variants, error)


def _export(
    subject: Subject, calibration: Rows, settings: TFLiteSettings, folder: str, *, skip: bool
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        edge = prepare(subject.saved_model, work)
        reference = make_reference(edge, subject)
        conversions: Conversions = {}
        failed: dict[str, str] = {}
        for name in settings.variants:
            try:
                conversions[name] = convert_variant(name, subject, edge, calibration, settings, work)
            except ExportError as error:
                if not skip:
                    raise
                failed[name] = str(error)
        variants: Variants = {
            name: _prove(found, edge, reference, settings.bounds[found.variant]) for name, found in conversions.items()
        }
        _measure(conversions, variants)
        if edge.program is not None and any(figures["takes"] == "transformed" for figures in variants.values()):
            check_program(edge, subject.rows)
        _write(conversions, variants, edge, Path(folder))
        report = {
            "format": FORMAT,
            "model": subject.model,
            "examples": len(subject.rows.serialized),
            "labels": list(subject.labels),
            "raw_features": edge.refusal or "in the graph",
            "saved_model": describe_saved_model(subject.saved_model, measure_saved_model(edge, subject.rows)),
            "variants": variants,
            "failed": failed,
        }
        finish(folder, report)
    return report


@dataclass(frozen=True)
class Conversion:
    """A converted file, and the examples as it takes them (`raw` or `transformed`)."""

    variant: TFLiteVariant
    content: bytes
    takes: str
    inputs: dict[str, np.ndarray]


Conversions = dict[str, Conversion]
Variants = dict[str, dict[str, Any]]


def convert_variant(
    variant: TFLiteVariant, subject: Subject, edge: EdgeModel, calibration: Rows, settings: TFLiteSettings, work: str
) -> Conversion:
    """Returns the file of one variant.

    Args:
        variant: its name.
        subject: what is exported; the figures are not looked at.
        edge: what `prepare` made of its SavedModel.
        calibration: examples of the training split, for the integer variants.
        settings: whether TensorFlow's own operators may be used.
        work: a folder to write to, for this SavedModel only.

    Raises:
        ExportError: the conversion failed.
    """
    if edge.refusal and settings.inputs == "raw":
        raise ExportError(
            f"TensorFlow Lite: {edge.refusal}; export.tflite.inputs: transformed exports the network alone, which "
            f"takes what preprocessing_fn returns"
        )
    integer = variant in tflite_convert.INTEGER
    raw = not integer and (edge.takes_raw or settings.inputs == "raw")
    representative = network_inputs(edge, calibration) if integer else None
    sparse = tflite_convert.is_pruned(edge.network)

    def convert(saved_model: str) -> bytes:
        return tflite_convert.convert(saved_model, variant, representative, sparse)

    content = _convert_somehow(convert, edge, raw, work, loops=not integer)
    content = tflite_convert.add_metadata(content, {"model": subject.model, "labels": list(subject.labels)})
    inputs = (raw_inputs if raw else network_inputs)(edge, subject.rows)
    return Conversion(variant, content, "raw" if raw or edge.takes_raw else "transformed", inputs)


def _convert_somehow(convert: Callable[[str], bytes], edge: EdgeModel, raw: bool, work: str, *, loops: bool) -> bytes:
    """Returns the file for any number of rows; else for one, with fused layers; else for one, with loops.

    `loops`: whether those may be tried; the converter's calibration of them ends the process (TensorFlow 2.21).
    """
    try:
        return convert(edge.raw if raw and edge.raw else edge.network)
    except ExportError:
        pass
    try:
        return convert(write_single(edge, raw, work))
    except ExportError:
        if not loops:
            raise
        # What is to be said of a model that cannot be converted for one row either is the cause above.
        with contextlib.suppress(Exception):
            return convert(write_single(edge, raw, os.path.join(work, "loops"), fix_rows))
        raise


def _prove(conversion: Conversion, edge: EdgeModel, reference: Reference, bounds: Bounds) -> dict[str, Any]:
    """Returns the figures of one variant."""
    model = tflite_file.TFLiteModel(conversion.content)
    parity = compare(reference, model.predict(conversion.inputs))
    reasons = parity.broken(bounds)
    notes = [_NO_PROGRAM] if conversion.takes == "transformed" and edge.program is None else []
    return {
        "kept": not reasons,
        "reasons": reasons,
        "notes": [*notes, _SINGLE] if model.is_single else notes,
        "takes": conversion.takes,
        "bytes": len(conversion.content),
        "gzipped_bytes": gzipped_size([conversion.content]),
        "parity": parity.to_dict(),
        "signature": _describe_signature(model, edge),
        "operators": tflite_file.list_operators(conversion.content),
        "fused": tflite_file.list_fusions(conversion.content),
    }


def _describe_signature(model: tflite_file.TFLiteModel, edge: EdgeModel) -> dict[str, dict[str, Any]]:
    """Returns the inputs and outputs, and what the caller gives for a missing value where the model wants a number."""
    found = model.signature()
    for name, value in edge.typical.items():
        found["inputs"][name]["missing"] = value
    return found


def _measure(conversions: Conversions, variants: Variants) -> None:
    """Adds load time, latency and memory; the variants are loaded already once, so that no one pays for the library."""
    calls = {}
    for name, found in conversions.items():
        with PeakMemory() as memory:
            start = time.perf_counter()
            calls[name] = tflite_file.TFLiteModel(found.content).single_call(found.inputs)
            variants[name]["load_ms"] = round((time.perf_counter() - start) * 1e3, 3)
            calls[name]()
        variants[name]["peak_memory_bytes"] = memory.bytes
    for name, latency in measure_latencies(calls).items():
        variants[name]["latency_ms"] = latency


def _write(conversions: Conversions, variants: Variants, edge: EdgeModel, folder: Path) -> None:
    for name, figures in variants.items():
        figures["files"] = [f"{name}.tflite"] if figures["kept"] else []
        for file in figures["files"]:
            (folder / file).write_bytes(conversions[name].content)
        if figures["kept"] and figures["takes"] == "transformed" and edge.program is not None:
            (folder / "preprocessing.json").write_text(edge.program.to_json(), encoding="utf-8")
