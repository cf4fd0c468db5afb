"""Classifies digits with a pushed TensorFlow Lite model; needs ai-edge-litert and numpy, and no TensorFlow.

Usage: python classify.py exports/3/tflite/int8.tflite < images.jsonl

Each line of the input is an image: a JSON list of 8 × 8 (or 64) numbers from 0 to 16. Each line of the output is a JSON
object with the label and the probabilities. The quantization is read from the file, so that any variant will do.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "edge"


class Model:
    """A loaded file."""

    def __init__(self, path: str) -> None:
        self._interpreter = Interpreter(model_path=path, num_threads=1)
        self._runner = self._interpreter.get_signature_runner(SIGNATURE)
        (self._input,) = self._runner.get_input_details().items()
        (self._output,) = self._runner.get_output_details().items()

    def predict(self, image: Any) -> np.ndarray:
        """Returns the probabilities, [10], of an image of 8 × 8 numbers from 0 to 16."""
        name, detail = self._input
        values = quantize(np.asarray(image, np.float32).reshape(1, 8, 8), detail)
        name_out, detail_out = self._output
        return dequantize(self._runner(**{name: values})[name_out], detail_out)[0]


def quantize(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Returns the values in the type of the tensor: value = scale × (number − zero point)."""
    scale, zero_point = detail["quantization"]
    if not scale:
        return values
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def dequantize(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Returns what the tensor's numbers stand for."""
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale) if scale else values


def main(path: str) -> None:
    """Classifies the lines of the standard input."""
    labels = json.loads((Path(path).parent / "export.json").read_text(encoding="utf-8"))["labels"]
    model = Model(path)
    for line in sys.stdin:
        probabilities = model.predict(json.loads(line))
        top = int(probabilities.argmax())
        answer = {"label": labels[top], "probabilities": [round(float(share), 6) for share in probabilities]}
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python classify.py MODEL.tflite < images.jsonl")
    main(sys.argv[1])
