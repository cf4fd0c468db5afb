"""Which label belongs to which output, of a SavedModel with several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hilir.components.trainer.export.extra_files import read_extra, write_extra

FILE = "assets.extra/labels.json"
"""In the SavedModel's folder: the names of the labels by output."""


def write_labels(folder: str, label: str | Mapping[str, str]) -> None:
    """Writes the labels by output into a SavedModel's folder; nothing where there is one for all."""
    write_extra(folder, FILE, {} if isinstance(label, str) else dict(label))


def find_labelled(labels: Mapping[str, str], classes: Collection[str], outputs: Iterable[str]) -> list[str]:
    """Returns the outputs whose scores have the names of classes.

    Args:
        labels: by output, as `read_labels` has them.
        classes: the labels that have such names; none where the configuration alone names the classes.
        outputs: of the model.
    """
    return [name for name in outputs if not labels or not classes or labels.get(name) in classes]


def read_labels(folder: str) -> dict[str, str]:
    """Returns the names of the labels by output; empty where the SavedModel has one label for all."""
    return read_extra(folder, FILE)
