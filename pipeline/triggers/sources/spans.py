"""Finds the spans and versions that a data pattern matches, by the rules of TFX's ExampleGen and without importing it.

The rules: tfx/components/example_gen/utils.py. {SPAN}, or {YYYY}, {MM} and {DD} (the span is the number of days since
1970-01-01), and {VERSION} only together with one of them; {SPAN:3} and {VERSION:3} are zero-padded to a width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import xor
from pathlib import Path, PurePosixPath

from hilir.pipeline.triggers.sources.payload import Span

_SPEC = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}")
_WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Found:
    """A span on disk: its files, and the texts that stand for it in their paths."""

    span: Span
    texts: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]

    def fingerprint(self) -> list[int]:
        """Returns number of files, bytes and the newest modification (ns): equal as long as nobody writes."""
        stats = [file.stat() for file in self.files]
        return [len(stats), sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)]

    def is_what_was_read(self, fingerprint: str) -> bool:
        """Returns whether the files are as ExampleGen's fingerprint says; yes where there is no fingerprint.

        Its form: tfx/utils/io_utils.py, generate_fingerprint; it begins with the name of the split.
        """
        if not fingerprint:
            return True
        stats = [file.stat() for file in self.files]
        times = [int(stat.st_mtime) for stat in stats]
        now = (
            f"num_files:{len(stats)},total_bytes:{sum(stat.st_size for stat in stats)},"
            f"xor_checksum:{reduce(xor, times, 0)},sum_checksum:{sum(times)}"
        )
        return fingerprint.partition(",")[2] == now


def has_span(pattern: str) -> bool:
    """Returns whether the pattern tells spans apart."""
    names = {match[1] for match in _SPEC.finditer(pattern)}
    return "SPAN" in names or {"YYYY", "MM", "DD"} <= names


def marker_pattern(pattern: str, marker: str) -> str:
    """Returns the path of the marker file, which lies in the folder of the data files; it may hold {SPAN} itself.

    Raises:
        ValueError: one marker would stand for every span, or ExampleGen would read the marker as data.
    """
    path = str(PurePosixPath(pattern).parent / marker)
    if not has_span(path):
        raise ValueError(
            f"is '{marker}', which would lie at {path} for every span; put {{SPAN}} into the name, "
            f"or give each span a folder of its own in data.pattern"
        )
    if any(character in path for character in "*?["):
        raise ValueError(f"is '{marker}', in a folder with a wildcard ({path}); name the folders of data.pattern fully")
    if _regex(pattern).fullmatch(fill(path, _sample(path))):
        raise ValueError(
            f"is '{marker}', which data.pattern '{pattern}' would read as data; "
            f"end the pattern with the data's own suffix, for example '*.csv'"
        )
    return path


def fill(pattern: str, texts: tuple[tuple[str, str], ...]) -> str:
    """Returns the pattern with the texts of one span in it."""
    known = dict(texts)
    return _SPEC.sub(lambda match: known.get(match[1], match[0]), pattern)


def list_spans(folder: Path, pattern: str) -> list[Found]:
    """Returns the spans that have files, the oldest first; paths whose span is not a number are left out.

    Raises:
        OSError: the folder does not exist or cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    regex = _regex(pattern)
    files: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for file in sorted(folder.glob(_SPEC.sub("*", pattern))):
        match = regex.fullmatch(file.relative_to(folder).as_posix())
        if match and file.is_file():
            files.setdefault(tuple(sorted(match.groupdict().items())), []).append(file)
    found = [
        Found(span, texts, tuple(paths)) for texts, paths in files.items() if (span := _span(dict(texts))) is not None
    ]
    return sorted(found, key=lambda each: each.span.order)


def _span(texts: dict[str, str]) -> Span | None:
    version = int(texts["VERSION"]) if "VERSION" in texts else None
    if "SPAN" in texts:
        return Span(int(texts["SPAN"]), version)
    try:
        day = date(int(texts["YYYY"]), int(texts["MM"]), int(texts["DD"]))
    except ValueError:
        return None
    return Span((day - _EPOCH).days, version)


def _regex(pattern: str) -> re.Pattern[str]:
    text, end = "", 0
    for match in _SPEC.finditer(pattern):
        width = match[2] or _WIDTHS.get(match[1])
        digits = f"\\d{{{width}}}" if width else "\\d+"
        text += _literal(pattern[end : match.start()]) + f"(?P<{match[1]}>{digits})"
        end = match.end()
    return re.compile(text + _literal(pattern[end:]))


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")


def _sample(pattern: str) -> tuple[tuple[str, str], ...]:
    return tuple((match[1], "1".zfill(int(match[2] or _WIDTHS.get(match[1], 1)))) for match in _SPEC.finditer(pattern))
