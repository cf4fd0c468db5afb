"""Checks of a configuration against this machine: quick, without TensorFlow, each with its remedy."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hilir.components.example_gen.spans import explain_none, fill, find_spans, has_span, to_glob
from hilir.components.user_modules import find_folders, find_module
from hilir.pipeline.config.data_path import is_remote, locate
from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.check import check_engine
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.finding import Finding
from hilir.pipeline.run.package_check import explain, read_names

# TFX finds files by patterns that begin with these paths, and has no way to quote.
_WILDCARD = re.compile(r"[*?\[\]]")
_WITH_WILDCARD = ("has one of the characters * ? [ ], which stand for others in patterns of files", "rename the folder")


def check_config(config: Config) -> Iterator[Finding]:
    """Yields a finding for each path, address and import path that the configuration names."""
    yield _data(config)
    yield _schema(config)
    yield _package(config)
    yield from _metrics(config)
    yield writable("pipeline.root", config.pipeline.root)
    yield writable("pipeline.runs", config.pipeline.runs)
    yield writable("serving.root", config.serving.root)
    yield check_engine(config)


def require(config: Config) -> None:
    """Raises ConfigError with everything that `check_config` finds wrong."""
    require_all(check_config(config))


def require_all(findings: Iterable[Finding]) -> None:
    """Raises ConfigError with all findings that are not ok."""
    faults = [str(finding) for finding in findings if not finding.ok]
    if faults:
        raise ConfigError(faults)


def _data(config: Config) -> Finding:
    if config.data.query is not None:
        remedy = "compile it with 'hilir compile', or give files with data.path"
        return Finding("data.format 'bigquery'", "is read on Vertex AI only", remedy)
    what, path = f"data.path '{config.data.path}'", config.data.path
    if is_remote(path):
        return Finding(what, "on an object store, looked at when the run begins")
    try:
        located, pattern = locate(path, config.data.pattern)
    except ConfigError as error:
        return Finding(what, str(error).partition(": ")[2].partition(";")[0], "install it or give a folder")
    folder = Path(located)
    if _WILDCARD.search(str(folder)):
        return Finding(what, *_WITH_WILDCARD)
    if not folder.exists():
        if config.data.generator is not None:
            return Finding(what, f"does not exist yet and will be written by {config.data.generator}")
        return Finding(what, *_missing(path))
    patterns = [share for share in config.data.splits.values() if isinstance(share, str)] or [pattern]
    files: list[Path] = []
    for each in patterns:
        found = [file for file in folder.glob(to_glob(each)) if file.exists()]
        why = ""
        if has_span(each):
            paths = [str(file) for file in found]
            if not paths:
                # 'hilir watch' waits for the first one.
                return Finding(what, "exists; no span is there yet")
            spans = find_spans(str(folder / each), paths)
            why = explain_none(each, paths) if not spans else ""
            found = [file for _, texts in spans.values() for file in folder.glob(fill(each, texts))]
        found = [file for file in found if file.is_file()]
        if not found:
            return Finding(what, f"holds no file that matches '{each}'{why}", "correct data.path or data.pattern")
        files += found
    return Finding(what, f"{len(files)} file{'s' if len(files) > 1 else ''}, {_size(files)}")


def _missing(path: str) -> tuple[str, str]:
    """Returns what is wrong with the path of no folder, and the remedy: paths are seen from the current folder."""
    if Path(path).is_absolute():
        return "does not exist", "give the folder that holds the data"
    # The project's folders are at the front of the import path.
    meant = [folder for folder in map(Path, dict.fromkeys(filter(None, sys.path))) if (folder / path).exists()]
    remedy = f"type the command in {meant[0]}, or give it as {meant[0] / path}" if meant else ""
    return f"does not exist in the current folder, {Path.cwd()}", remedy or "give the folder that holds the data"


def _size(files: list[Path]) -> str:
    size = sum(file.stat().st_size for file in files)
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _schema(config: Config) -> Finding:
    path = config.schema_.path
    if path is None:
        return Finding("schema.path", "none, inferred from the data")
    if is_remote(path) or Path(path).is_file():
        return Finding(f"schema.path '{path}'", "is there")
    return Finding(f"schema.path '{path}'", "does not exist", "give a schema file, or null to infer the schema")


def _package(config: Config) -> Finding:
    what, name = f"model.package '{config.model.package}'", config.model.package
    folder = next(iter(find_folders(name)), None)
    if folder is None and (spec := find_module(name)) is not None:
        return Finding(
            what, f"is one file, {spec.origin}", "make it a folder with features.py, preprocessing.py and model.py"
        )
    if folder is None:
        return Finding(what, "cannot be imported from here", "fix the import path, or type the command in its folder")
    missing = [part for part in ("features.py", "preprocessing.py", "model.py") if not Path(folder, part).is_file()]
    if missing:
        return Finding(
            what, f"lacks {', '.join(missing)}", "add it; 'hilir new --example taxi' writes one that has all of it"
        )
    return Finding(what, "is there")


def _metrics(config: Config) -> Iterator[Finding]:
    """Looks for the user's own metrics in their source; that they can be made is checked when a run starts."""
    for metric in config.evaluate.metrics:
        if metric.module is None:
            continue
        what = f"evaluate.metrics '{metric.name}'"
        spec = find_module(metric.module)
        if spec is None or spec.origin is None:
            yield Finding(what, f"there is no module {metric.module}", "correct 'module', or add the file")
            continue
        try:
            names = read_names(Path(spec.origin)) if spec.origin.endswith(".py") else {"*": None}
        except SyntaxError as error:
            yield explain(what, error)
            continue
        if metric.metric not in names and "*" not in names:
            yield Finding(what, f"{spec.origin} has no class {metric.metric}", "correct 'class', or add it")
        else:
            yield Finding(what, f"{metric.module}.{metric.metric} is there")


def writable(what: str, path: str) -> Finding:
    """Finds whether a folder can be written to, or made; nothing is made."""
    shown = f"{what} '{path}'"
    if is_remote(path):
        return Finding(shown, "on an object store")
    if _WILDCARD.search(os.path.abspath(path)):
        return Finding(shown, f"{os.path.abspath(path)} {_WITH_WILDCARD[0]}", _WITH_WILDCARD[1])
    folder = Path(path).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return Finding(shown, f"{folder} is a file", "choose another folder")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return Finding(shown, f"{folder} is not writable", f"make it writable or choose another {what}")
    return Finding(shown, "writable")
