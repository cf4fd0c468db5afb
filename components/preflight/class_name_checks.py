"""Checks the names of classes that the configuration gives: without data, and against what the model answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hilir.components.errors import ModelPackageError, PreflightError
from hilir.components.exporter.settings import ExportSettings
from hilir.components.trainer.model_package import ModelPackage


def check_labels(export: ExportSettings, package: ModelPackage) -> None:
    """Compares the labels that `export.labels` names with those of the package.

    Raises:
        ModelPackageError: it names none, or another one.
    """
    if export.labels and not isinstance(export.labels, Mapping) and len(package.labels) > 1:
        example = ", ".join(f"{label}: […]" for label in package.labels)
        raise ModelPackageError(
            f"export.labels is one list, and features.LABEL of {package.name} has {len(package.labels)} labels; "
            f"name the classes by label: export.labels: {{{example}}}"
        )
    unknown = sorted(export.name_classes(package.labels[0]).keys() - set(package.labels))
    if unknown:
        raise ModelPackageError(
            f"export.labels names '{unknown[0]}', which is no label of {package.name}; "
            f"the labels are {', '.join(package.labels)}"
        )


def check_class_names(
    export: ExportSettings,
    package: ModelPackage,
    outputs: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
) -> None:
    """Compares `export.labels` with what the model answers.

    Args:
        export: may give names, of the package's labels.
        package: names labels and outputs.
        outputs: of the model by name, [rows, …].
        classes: of the labels that are strings, class 0 first.

    Raises:
        PreflightError: they are of other classes than the model has.
    """
    for label, names in export.name_classes(package.labels[0]).items():
        if list(classes.get(label, names)) != list(names):
            raise PreflightError(
                f"export.labels has other classes for '{label}' than the data, which are {', '.join(classes[label])}, "
                f"in this order; leave it out: a label of strings has its names"
            )
        for output, scores in _list_scores(label, package, outputs):
            if len(names) != max(scores, 2):
                raise PreflightError(
                    f"export.labels has {len(names)} names for '{label}', and the output '{output}' has {scores} "
                    f"score{'' if scores == 1 else 's'} a row{': two classes' if scores == 1 else ''}; "
                    f"name each class once, class 0 first"
                )


def _list_scores(label: str, package: ModelPackage, outputs: Mapping[str, np.ndarray]) -> list[tuple[str, int]]:
    """Returns the outputs for a label, each with its number of scores in a row."""
    if isinstance(package.label, Mapping):
        names = [output for output, each in package.label.items() if each == label and output in outputs]
    else:
        numbers = [name for name, values in outputs.items() if values.dtype.kind == "f"]
        names = numbers if len(numbers) == 1 else []
    return [(name, outputs[name].shape[1]) for name in names if outputs[name].ndim == 2]
