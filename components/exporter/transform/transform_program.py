"""What a transform graph computes, written down so that a few lines of any language can compute it too.

A program is what `preprocessing.json` holds: a list of steps in the order in which they are computed. Each step has an
operation, the positions of the steps it takes (`args`) and the type of its result. A value has one row per example and,
within a row, as many elements as its feature; all operations but `input`, `constant`, `concat` and `one_hot` work
element by element.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SCHEMA = 1

BINARY = (
    "add", "subtract", "multiply", "divide", "minimum", "maximum", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "and", "or", "power", "floor_divide", "floor_mod",
)  # fmt: skip
"""Operations on two values."""

UNARY = (
    "not", "negative", "absolute", "sqrt", "square", "exp", "log", "log1p", "floor", "ceil", "is_nan", "sigmoid",
    "tanh", "sign",
)  # fmt: skip
"""Operations on one value."""

SPECIAL = ("input", "constant", "cast", "select", "bucketize", "lookup", "fill_missing", "concat", "one_hot")
"""Operations with a meaning of their own.

- `input`: the raw `feature`;
- `constant`: `value`, a number or a list with one number per element of a row;
- `cast`: to the step's type, towards zero from fractions to whole numbers;
- `select`: args (condition, value where true, value where false);
- `bucketize`: the number of `boundaries` that are not greater than the value;
- `lookup`: the position of the value in the list `vocabulary`, or `otherwise`;
- `fill_missing`: args (value, other value), the other one where the raw `feature` is missing;
- `concat`: the elements of all args of a row, one after another;
- `one_hot`: for each element `depth` elements, `on` at its position and `off` elsewhere.
"""


@dataclass(frozen=True)
class Input:
    """A raw feature: its type, its shape within a row, and whether a row may lack it."""

    dtype: str
    shape: tuple[int, ...]
    optional: bool


@dataclass(frozen=True)
class Output:
    """A transformed feature: the step that computes it, its type and its shape within a row."""

    step: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """The transformation from raw to transformed features."""

    inputs: dict[str, Input]
    outputs: dict[str, Output]
    steps: tuple[dict[str, Any], ...]
    vocabularies: dict[str, tuple[Any, ...]]

    def to_json(self) -> str:
        """Returns the text of `preprocessing.json`."""
        steps = ",\n    ".join(json.dumps(step, ensure_ascii=False) for step in self.steps)
        parts = {
            "inputs": {name: vars(found) for name, found in self.inputs.items()},
            "outputs": {name: vars(found) for name, found in self.outputs.items()},
            "vocabularies": self.vocabularies,
        }
        rest = ",\n  ".join(f'"{key}": {json.dumps(part, ensure_ascii=False)}' for key, part in parts.items())
        return f'{{\n  "schema": {SCHEMA},\n  {rest},\n  "steps": [\n    {steps}\n  ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Program:
        """Returns the program that `to_json` wrote."""
        read = json.loads(text)
        return cls(
            inputs={n: Input(f["dtype"], tuple(f["shape"]), f["optional"]) for n, f in read["inputs"].items()},
            outputs={n: Output(f["step"], f["dtype"], tuple(f["shape"])) for n, f in read["outputs"].items()},
            steps=tuple(read["steps"]),
            vocabularies={name: tuple(words) for name, words in read["vocabularies"].items()},
        )


@dataclass
class ProgramBuilder:
    """Collects steps, each once."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    vocabularies: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)

    def add(self, op: str, dtype: str, args: Iterable[int] = (), **attributes: Any) -> int:
        """Returns the position of the step, which is new only if no equal one is there."""
        step = {"op": op, "dtype": dtype, **({"args": list(args)} if args else {}), **attributes}
        key = json.dumps(step, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.steps)
            self.steps.append(step)
        return self._known[key]

    def add_constant(self, value: np.ndarray) -> int:
        """Returns the position of the constant; one element, or one per element of a row."""
        plain = value.reshape(-1).tolist()
        dtype = "string" if value.dtype == object else value.dtype.name
        return self.add("constant", dtype, value=plain[0] if len(plain) == 1 else plain)

    def build(self, inputs: dict[str, Input], outputs: dict[str, Output]) -> Program:
        """Returns the program without the steps that no output needs."""
        needed = set()
        waiting = [output.step for output in outputs.values()]
        while waiting:
            at = waiting.pop()
            if at not in needed:
                needed.add(at)
                waiting += self.steps[at].get("args", [])
        order = sorted(needed)
        place = {old: new for new, old in enumerate(order)}
        steps = [dict(self.steps[old]) for old in order]
        for step in steps:
            if "args" in step:
                step["args"] = [place[old] for old in step["args"]]
        used = {step["feature"] for step in steps if "feature" in step}
        words = {step["vocabulary"] for step in steps if "vocabulary" in step}
        return Program(
            inputs={name: found for name, found in inputs.items() if name in used},
            outputs={n: Output(place[out.step], out.dtype, out.shape) for n, out in outputs.items()},
            steps=tuple(steps),
            vocabularies={name: found for name, found in self.vocabularies.items() if name in words},
        )
