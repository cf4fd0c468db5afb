"""Conditions: the part of CEL (https://github.com/google/cel-spec/blob/master/doc/langdef.md) that compilers emit.

TFX writes `inputs.artifacts['k'].artifacts[0].metadata['p']` and `.uri`, kfp `inputs.parameter_values['k']`; compared,
negated, joined with && and ||, added, and converted with int(), double(), string().
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hilir.pipeline.emulator.errors import StepError

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|<=|>=|[-<>!+()\[\].,]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_CONVERT: dict[str, Callable[[Any], Any]] = {"int": int, "double": float, "string": str}

Expression = Callable[[Mapping[str, Any]], Any]


class ConditionError(ValueError):
    """The condition is not of the part of CEL that is understood here."""


def compile_condition(text: str) -> Expression:
    """Returns a function of ExecutorInput (as JSON values) that gives the condition's value.

    Raises:
        ConditionError: the text is not understood; the message says which part.
    """
    parser = _Parser(text)
    expression = parser.either()
    if parser.peek() != "":
        raise ConditionError(f"'{parser.peek()}' in the condition {text}")
    return expression


def holds(text: str, executor_input: Mapping[str, Any]) -> bool:
    """Returns whether the condition holds.

    Raises:
        StepError: it asks for something that is not there, or compares what cannot be compared.
    """
    try:
        value = compile_condition(text)(executor_input)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StepError(f"the condition {text} has no value: {type(error).__name__}: {error}") from None
    if not isinstance(value, bool):
        raise StepError(f"the condition {text} is {value!r}, neither true nor false")
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise ConditionError(f"'{text[position:].strip()[:20]}' in the condition {text}")
            self._tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            position = found.end()
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self.peek()
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise ConditionError(f"a missing '{token}' in the condition {self._text}")

    def either(self) -> Expression:
        left = self._both()
        while self.peek() == "||":
            self._next()
            left = _join(left, self._both(), stop=True)
        return left

    def _both(self) -> Expression:
        left = self._comparison()
        while self.peek() == "&&":
            self._next()
            left = _join(left, self._comparison(), stop=False)
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        if self.peek() in _COMPARE and self._kind() == "sign":
            compare, right = _COMPARE[self._next()], self._sum()
            return lambda scope: compare(left(scope), right(scope))
        return left

    def _sum(self) -> Expression:
        left = self._unary()
        while self.peek() == "+" and self._kind() == "sign":
            self._next()
            left = _add(left, self._unary())
        return left

    def _unary(self) -> Expression:
        if self._kind() == "sign" and self.peek() in "!-":
            sign, inner = self._next(), self._unary()
            return (lambda scope: _negated(inner(scope))) if sign == "!" else (lambda scope: -inner(scope))
        return self._primary()

    def _primary(self) -> Expression:
        kind, word = self._kind(), self._next()
        if kind == "number":
            return lambda _: float(word)
        if kind == "text":
            content = re.sub(r"\\(.)", r"\1", word[1:-1])
            return lambda _: content
        if word == "(":
            inner = self.either()
            self._expect(")")
            return inner
        if word in ("true", "false"):
            return lambda _: word == "true"
        if word in _CONVERT and self.peek() == "(":
            self._next()
            convert, inner = _CONVERT[word], self.either()
            self._expect(")")
            return lambda scope: convert(inner(scope))
        if word == "inputs":
            return self._input()
        raise ConditionError(f"'{word}' in the condition {self._text}")

    def _input(self) -> Expression:
        self._expect(".")
        kind = self._next()
        if kind == "parameter_values":
            key = self._key()
            return lambda scope: _number(scope["inputs"]["parameterValues"][key])
        if kind != "artifacts":
            raise ConditionError(f"'inputs.{kind}' in the condition {self._text}")
        key = self._key()
        self._expect(".")
        self._expect("artifacts")
        index = int(float(self._index()))
        self._expect(".")
        part = self._next()
        if part not in ("uri", "name", "metadata"):
            raise ConditionError(f"'.{part}' of an artifact in the condition {self._text}")
        if part != "metadata":
            return lambda scope: scope["inputs"]["artifacts"][key]["artifacts"][index][part]
        name = self._key()
        return lambda scope: _number(_property(scope["inputs"]["artifacts"][key]["artifacts"][index], name))

    def _key(self) -> str:
        token = self._index()
        if not token.startswith(("'", '"')):
            raise ConditionError(f"'[{token}]' in the condition {self._text}")
        return token[1:-1]

    def _index(self) -> str:
        self._expect("[")
        token = self._next()
        self._expect("]")
        return token


def _property(artifact: Mapping[str, Any], name: str) -> Any:
    metadata = artifact["metadata"]
    return metadata[name] if name in metadata else metadata[f"custom:{name}"]


def _number(value: Any) -> Any:
    """All numbers are doubles, as in google.protobuf.Value."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _negated(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"! of {value!r}")
    return not value


def _join(left: Expression, right: Expression, *, stop: bool) -> Expression:
    def value(scope: Mapping[str, Any]) -> bool:
        for side in (left, right):
            found = side(scope)
            if not isinstance(found, bool):
                raise TypeError(f"{found!r} is neither true nor false")
            if found is stop:
                return stop
        return not stop

    return value


def _add(left: Expression, right: Expression) -> Expression:
    return lambda scope: left(scope) + right(scope)
