"""Checks of the model package: its source first, and with its import what the source alone does not show."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from hilir.components.user_modules import find_folders
from hilir.pipeline.config.schema import Config
from hilir.pipeline.inputs import read_package
from hilir.pipeline.report.finding import Finding

_NEEDED = {
    "features": ("LABEL",),
    "preprocessing": ("preprocessing_fn",),
    "model": ("build_model", "Hyperparameters"),
}


def check_sources(config: Config) -> Iterator[Finding]:
    """Yields what the modules of the package lack, from their source: quick, nothing is imported."""
    name = config.model.package
    folder = next(iter(find_folders(name)), None)
    for module, needed in _NEEDED.items():
        path = Path(folder or "") / f"{module}.py"
        if folder is None or not path.is_file():
            continue
        what = f"model.package '{name}'"
        try:
            names = read_names(path)
        except SyntaxError as error:
            yield explain(what, error)
            continue
        missing = [] if "*" in names else [each for each in needed if each not in names]
        if missing:
            remedy = "add it; 'hilir new --example taxi' writes one that has all of it"
            yield Finding(what, f"{path} lacks {', '.join(missing)}", remedy)
        label = names.get("LABEL") if module == "features" else None
        if isinstance(label, ast.Constant) and (not isinstance(label.value, str) or not label.value):
            yield Finding(what, f"{path}: LABEL is {label.value!r}", "give the name of the label, a string")


def check_import(config: Config) -> Iterator[Finding]:
    """Imports the package, which takes seconds where it needs TensorFlow, and yields what then is found.

    The hyperparameters, and what is searched, are checked against the package's class; metrics are computed once.
    """
    from hilir.components.errors import ModelPackageError
    from hilir.components.evaluator.metric_check import find_metric_faults
    from hilir.components.tensorflow_environment import prepare_environment

    prepare_environment()
    name = f"model.package '{config.model.package}'"
    try:
        package = read_package(config)
    except ModelPackageError as error:
        yield _split(name, str(error), "fix it")
        return
    yield Finding(name, "can be imported, its hyperparameters fit")
    for fault in find_metric_faults(config.evaluate, package.label):
        key, _, sentence = fault.partition(": ")
        yield _split(key, sentence, "correct it")


def _split(what: str, message: str, otherwise: str) -> Finding:
    """Returns the finding of a message, whose remedy is behind its last semicolon if it has one."""
    fact, _, remedy = message.rpartition("; ")
    return Finding(what, fact, remedy) if fact else Finding(what, message, otherwise)


def needs_import(config: Config) -> bool:
    """Says whether the configuration has values that only the package's own classes can check."""
    own_metrics = any(metric.module for metric in config.evaluate.metrics)
    named = isinstance(config.export.labels, dict)
    return bool(config.train.hyperparameters) or own_metrics or named or config.train.tune.enabled


def explain(what: str, error: SyntaxError) -> Finding:
    """Returns the finding of a file that is not Python."""
    return Finding(what, f"{error.filename}, line {error.lineno}: {error.msg}", "fix that line")


def read_names(path: Path) -> Mapping[str, ast.expr | None]:
    """Returns the names that a module defines or imports at its top level, with what is assigned to them; `*` too.

    Raises:
        SyntaxError: the file is not Python; it has the file's name and the line.
    """
    names: dict[str, ast.expr | None] = {}
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        # About null bytes Python says neither file nor line.
        if getattr(error, "lineno", None) is None:
            raise SyntaxError(str(error), (str(path), 1, None, None)) from None
        raise
    for node in tree.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                names[node.name] = None
            case ast.Import() | ast.ImportFrom():
                names |= dict.fromkeys(alias.asname or alias.name for alias in node.names)
            case ast.Assign():
                targets = [part for target in node.targets for part in ast.walk(target)]
                names |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)) if node.value is not None:
                names[name] = node.value
            case ast.If() | ast.Try() | ast.With() | ast.For():
                # Which branch runs shows only when the module is imported.
                names["*"] = None
    return names
