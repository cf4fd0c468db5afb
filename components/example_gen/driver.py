"""Chooses the spans of a run when it begins: TFX's driver of file-based ExampleGens, for one span or more.

TFX's own finds the span 4 in a folder `04`, and then reads the files of a folder `4`.

`python -m hilir.components.example_gen.driver` is the driver on Vertex AI; it takes the arguments of TFX's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from tfx.components.example_gen import driver, input_processor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.utils import io_utils

from hilir.components.errors import IngestError
from hilir.components.example_gen.spans import Texts, choose, explain_none, fill, find_spans, has_span, to_glob

_SEPARATOR = "\t"


class SpanProcessor(input_processor.FileBasedInputProcessor):
    """Finds the spans of a range, or the newest, with their texts in the paths as they are."""

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
    ) -> None:
        given = list(splits)
        self._has_spans = range_config is not None or all(has_span(split.pattern) for split in given)
        # TFX refuses months and years.
        plain = [example_gen_pb2.Input.Split(name=split.name, pattern=to_glob(split.pattern)) for split in given]
        super().__init__(input_base_uri, plain if self._has_spans else given)
        self._splits = given
        self._base = input_base_uri
        self._range = range_config
        self._chosen: dict[str, dict[int, tuple[int | None, Texts]]] = {}

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Returns the newest span and its version.

        Raises:
            IngestError: there is no span in the range, or splits have different ones.
        """
        if not self._has_spans:
            found: tuple[int, int | None] = super().resolve_span_and_version()
            return found
        chosen: list[int] = []
        for split in self._splits:
            spans = self._find(split)
            if chosen and list(spans) != chosen:
                raise IngestError(
                    f"{self._base}: the spans of '{split.pattern}' ({_listed(spans)}) are not those of "
                    f"'{self._splits[0].pattern}' ({_listed(chosen)}); each span needs files for every split"
                )
            chosen = list(spans)
            self._chosen[split.pattern] = spans
        newest = chosen[-1]
        return newest, self._chosen[self._splits[0].pattern][newest][0]

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns the pattern with the span filled in; of several spans, a line with number and pattern for each."""
        if not self._has_spans:
            filled: str = super().get_pattern_for_span_version(pattern, span, version)
            return filled
        if self._range is None:
            ((_, texts),) = self._chosen[pattern].values()
            return fill(pattern, texts)
        return "\n".join(
            f"{number}{_SEPARATOR}{fill(pattern, texts)}" for number, (_, texts) in self._chosen[pattern].items()
        )

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Returns the fingerprint of all files, a line for each split and span, the newest first."""
        if not self._has_spans:
            known: str = super().get_input_fingerprint(span, version)
            return known
        spans = sorted(self._chosen[self._splits[0].pattern], reverse=True)
        return "\n".join(
            io_utils.generate_fingerprint(
                split.name, os.path.join(self._base, fill(split.pattern, self._chosen[split.pattern][number][1]))
            )
            for number in spans
            for split in self._splits
        )

    def _find(self, split: example_gen_pb2.Input.Split) -> dict[int, tuple[int | None, Texts]]:
        """Returns the spans of the range that a split has; without a range the newest."""
        pattern = os.path.join(self._base, split.pattern)
        if not has_span(split.pattern):
            raise IngestError(
                f"data.spans chooses spans, and the pattern '{split.pattern}' has none; write {{SPAN}} or "
                f"{{YYYY}}{{MM}}{{DD}} into it"
            )
        paths = fileio.glob(to_glob(pattern))
        found = find_spans(pattern, paths)
        chosen = choose(found, 1, None, None) if self._range is None else choose(found, *_bounds(self._range))
        if not chosen and self._range is None:
            raise IngestError(
                f"{self._base}: no file matches data.pattern '{split.pattern}'{explain_none(split.pattern, paths)}; "
                f"fix data.path or data.pattern"
            )
        if not chosen:
            there = f"there are {_listed(found)}" if found else "no file matches"
            raise IngestError(f"{pattern}: has no span that data.spans asks for ({there}); correct data.spans")
        return {number: found[number] for number in chosen}


class Driver(driver.FileBasedDriver):
    """TFX's driver with our spans."""

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> SpanProcessor:
        """Returns what finds the spans."""
        assert input_base_uri is not None
        return SpanProcessor(input_base_uri, splits, range_config)


def make_range(newest: int | None, first: int | None, last: int | None) -> range_config_pb2.RangeConfig | None:
    """Returns the range as TFX's message; None: the newest span alone, as TFX chooses it."""
    if first is None and last is None and newest in (None, 1):
        return None
    if last is not None:
        static = range_config_pb2.StaticRange(start_span_number=first or 0, end_span_number=last)
        return range_config_pb2.RangeConfig(static_range=static)
    rolling = range_config_pb2.RollingRange(start_span_number=first or 0, num_spans=newest or 0)
    return range_config_pb2.RangeConfig(rolling_range=rolling)


def read_patterns(pattern: str) -> list[tuple[int | None, str]]:
    """Returns spans and patterns of what the driver wrote; the span is None where there is one pattern alone."""
    lines = [line.rpartition(_SEPARATOR) for line in pattern.split("\n")]
    return [(int(span) if span else None, rest) for span, _, rest in lines]


def _bounds(wanted: range_config_pb2.RangeConfig) -> tuple[int | None, int | None, int | None]:
    if wanted.HasField("static_range"):
        return None, wanted.static_range.start_span_number, wanted.static_range.end_span_number
    rolling = wanted.rolling_range
    return rolling.num_spans or None, rolling.start_span_number, None


def _listed(spans: Iterable[int]) -> str:
    numbers = [str(span) for span in spans]
    return ", ".join(numbers if len(numbers) <= 10 else [*numbers[:3], "…", *numbers[-3:]]) or "none"


def _main(arguments: Any) -> None:
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver as vertex_driver

    # TFX's module makes its own processor; there is no other way to give it another one.
    vertex_driver.input_processor.FileBasedInputProcessor = SpanProcessor
    vertex_driver.main(arguments)


if __name__ == "__main__":
    from absl import app
    from tfx.orchestration.kubeflow.v2.file_based_example_gen.driver import _parse_flags

    app.run(_main, flags_parser=_parse_flags)
