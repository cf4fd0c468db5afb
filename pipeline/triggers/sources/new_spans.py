"""Finds the spans and versions that a data pattern matches on disk, by the rules of the ingest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path, PurePosixPath

from hilir.components.example_gen.spans import SPEC, WIDTHS, Texts, fill, has_span, read_span, to_glob, to_regex
from hilir.pipeline.triggers.sources.payload import Span


@dataclass(frozen=True)
class Found:
    """A span on disk: its files, and the texts that stand for it in their paths."""

    span: Span
    texts: Texts
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
        # Of several spans that were read together the newest comes first.
        return fingerprint.splitlines()[0].partition(",")[2] == now


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
    if to_regex(pattern).fullmatch(fill(path, _sample(path))):
        raise ValueError(
            f"is '{marker}', which data.pattern '{pattern}' would read as data; "
            f"end the pattern with the data's own suffix, for example '*.csv'"
        )
    return path


def list_spans(folder: Path, pattern: str) -> list[Found]:
    """Returns the spans that have files, the oldest first; paths whose span is not a number are left out.

    Raises:
        OSError: the folder does not exist or cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    regex = to_regex(pattern)
    files: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for file in sorted(folder.glob(to_glob(pattern))):
        match = regex.fullmatch(file.relative_to(folder).as_posix())
        if match and file.is_file():
            files.setdefault(tuple(sorted(match.groupdict().items())), []).append(file)
    found = [
        Found(span, texts, tuple(paths)) for texts, paths in files.items() if (span := _span(dict(texts))) is not None
    ]
    return sorted(found, key=lambda each: each.span.order)


def _span(texts: dict[str, str]) -> Span | None:
    found = read_span(texts)
    return None if found is None else Span(*found)


def _sample(pattern: str) -> Texts:
    return tuple((match[1], "1".zfill(int(match[2] or WIDTHS.get(match[1], 1)))) for match in SPEC.finditer(pattern))
