"""The labels of the data before a training: their classes, how many rows each has, and the rows without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.errors import DataRefused
from hilir.components.examples import name_split
from hilir.components.missing import is_missing
from hilir.components.trainer.data.dataset import read_records
from hilir.components.trainer.export.class_names import read_domain
from hilir.components.trainer.export.raw_features import dense_column
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.training_job import TrainingJob
from hilir.components.versions import find_newest

_BATCH = 8192
_FEW_ROWS, _FEW_OF_A_CLASS, _MOST_CLASSES = 30, 5, 20
_SHOWN = 5


@dataclass(frozen=True)
class Split:
    """What the labels of a split are.

    Attributes:
        rows: the number of rows.
        missing: those of them that have no label.
        counts: by label, how many rows have each value; of labels that are whole numbers or strings.
        bad_weights: rows whose weight is missing, negative or infinite.
    """

    rows: int = 0
    missing: int = 0
    counts: Mapping[str, Counter[Any]] = field(default_factory=dict)
    bad_weights: int = 0


@dataclass(frozen=True)
class Labels:
    """The labels of both splits, and the classes of those that are strings."""

    splits: Mapping[str, Split]
    classes: Mapping[str, tuple[str, ...]]
    added: Mapping[str, tuple[str, ...]]

    @property
    def has_missing(self) -> bool:
        """Whether there are rows without a label."""
        return any(split.missing for split in self.splits.values())

    def notes(self) -> list[str]:
        """Returns a sentence for each thing that the run's summary repeats."""
        left_out = [
            f"{split.missing:,} of {split.rows:,} rows of the split '{name}' have no label and were left out"
            for name, split in self.splits.items()
            if split.missing
        ]
        return [*left_out, *self.warnings()]

    def warnings(self) -> list[str]:
        """Returns a sentence for each split that is too small to learn or judge from."""
        found = []
        for name, split in self.splits.items():
            rows = split.rows - split.missing
            if rows < _FEW_ROWS:
                found.append(f"the split '{name}' has {rows} rows with a label, fewer than {_FEW_ROWS}")
            for label, counts in split.counts.items():
                if len(counts) > max(_MOST_CLASSES, len(self.classes.get(label, ()))):
                    continue
                if len(counts) == 1:
                    found.append(f"the split '{name}' has the one class '{_show(next(iter(counts)))}' of '{label}'")
                few = [
                    f"'{_show(value)}' ({count})" for value, count in sorted(counts.items()) if count < _FEW_OF_A_CLASS
                ]
                if few:
                    found.append(
                        f"the split '{name}' has fewer than {_FEW_OF_A_CLASS} rows of the class {', '.join(few)} "
                        f"of '{label}'"
                    )
        return found


def read_labels(job: TrainingJob, package: ModelPackage, transform: tft.TFTransformOutput) -> Labels:
    """Reads the labels and weights of all rows.

    The classes of a string label are those of the curated schema's domain; else those of the version pushed last, with
    new ones after them; else the values of the data, sorted. The last is not done where versions are pushed to an
    object store: nobody would notice that the version before could not be found, and each class meant another.

    Raises:
        DataRefused: nothing says which classes there are; a value is not in the curated domain; rows have no label
            and `train.missing_label` is `refuse`; or weights that are none.
    """
    spec = transform.transformed_feature_spec()
    columns = {name: spec[name] for name in package.no_features}
    files = {name_split(job.train_files[0], "train"): job.train_files}
    files[name_split(job.eval_files[0], "eval")] = job.eval_files
    splits = {name: _scan(patterns, columns, package) for name, patterns in files.items()}
    _check_rows(splits, package, job.settings.missing_label)
    known = {} if job.curated else read_pushed_classes(job.pushed)
    classes, added = {}, {}
    for label in package.labels:
        if spec[label].dtype != tf.string:
            continue
        values = sorted({value.decode() for split in splits.values() for value in split.counts[label]})
        domain = read_domain(transform.raw_metadata.schema, label) if job.curated else ()
        if domain:
            _check_domain(label, domain, splits)
            classes[label], added[label] = domain, ()
        else:
            before = known.get(label, ())
            if not before and job.object_store:
                raise DataRefused(
                    f"the label '{label}' is a string, and nothing says which number each class has: schema.path "
                    f"gives no domain for it, and no version in {job.pushed} has its classes; write a schema with "
                    f"its classes in order ('hilir schema freeze' after a local run writes one), and set schema.path"
                )
            added[label] = tuple(value for value in values if value not in before)
            classes[label] = (*before, *added[label])
    return Labels(splits, classes, added)


def read_pushed_classes(folder: str) -> dict[str, tuple[str, ...]]:
    """Returns the classes by label of the version pushed last to `<serving root>/<model>`."""
    path = find_newest(folder, "manifest.json") if folder else None
    if path is None:
        return {}
    with tf.io.gfile.GFile(path) as file:
        found = json.load(file).get("classes", {})
    return {label: tuple(names) for label, names in found.items()}


def class_weights(job: TrainingJob, package: ModelPackage, labels: Labels) -> dict[str, float] | None:
    """Returns the weight in the loss of each class by its name; None where all are alike.

    `balanced` is rows / (classes × rows of the class), as scikit-learn's `compute_class_weight` has it.

    Raises:
        DataRefused: `train.class_weight` names what is not a class, or there are several labels.
    """
    wanted = job.settings.class_weight
    if wanted is None:
        return None
    learned = labels.splits[name_split(job.train_files[0], "train")]
    counts = learned.counts.get(package.labels[0]) if len(package.labels) == 1 else None
    if counts is None:
        raise DataRefused(
            "train.class_weight: it needs one label, a string or a whole number; set it to null, or use features.WEIGHT"
        )
    named = {_show(value): count for value, count in counts.items()}
    if wanted == "balanced":
        total = sum(named.values())
        return {name: total / (len(named) * count) for name, count in named.items()}
    given = {str(name): weight for name, weight in wanted.items()}
    unknown = sorted(given.keys() - named.keys() - set(labels.classes.get(package.labels[0], ())))
    if unknown:
        raise DataRefused(
            f"train.class_weight: '{unknown[0]}' is not a class of '{package.labels[0]}'; "
            f"the classes are {', '.join(sorted(named))}"
        )
    return given


def _scan(patterns: Sequence[str], columns: Mapping[str, Any], package: ModelPackage) -> Split:
    rows = missing = bad = 0
    counts: dict[str, Counter[Any]] = {
        name: Counter() for name in package.labels if not columns[name].dtype.is_floating
    }
    for serialized in read_records(patterns).batch(_BATCH):
        parsed = tf.io.parse_example(serialized, dict(columns))
        size = int(serialized.shape[0])
        present: np.ndarray = np.ones(size, bool)
        for name in package.labels:
            values = dense_column(parsed[name]).numpy().reshape(size, -1)
            if values.shape[1] == 1:
                there = _present(values[:, 0])
                present &= there
                if name in counts:
                    counts[name].update(dict(zip(*_unique(values[there, 0]), strict=True)))
        if package.weight is not None:
            weights = dense_column(parsed[package.weight]).numpy().reshape(-1)
            bad += int(np.sum(~np.isfinite(weights) | (weights < 0)))
        rows += size
        missing += int(np.sum(~present))
    return Split(rows, missing, {name: found for name, found in counts.items() if found}, bad)


def _present(values: np.ndarray) -> np.ndarray:
    present: np.ndarray = np.array([not is_missing(value) for value in values.tolist()], bool)
    return present


def _unique(values: np.ndarray) -> tuple[list[Any], list[int]]:
    found, numbers = np.unique(values, return_counts=True)
    return found.tolist(), numbers.tolist()


def _check_rows(splits: Mapping[str, Split], package: ModelPackage, missing: str) -> None:
    for name, split in splits.items():
        if split.bad_weights:
            raise DataRefused(
                f"features.WEIGHT '{package.weight}': {split.bad_weights} rows of the split '{name}' have no weight, "
                f"or one that is negative or infinite; give every row a weight of at least 0"
            )
        if split.missing and missing == "refuse":
            raise DataRefused(
                f"the label {', '.join(package.labels)}: {split.missing} of {split.rows} rows of the split '{name}' "
                f"have none; fill them, or leave them out with --set train.missing_label=drop"
            )


def _check_domain(label: str, domain: tuple[str, ...], splits: Mapping[str, Split]) -> None:
    found: Counter[str] = Counter()
    for split in splits.values():
        found.update({value.decode(): count for value, count in split.counts[label].items()})
    unknown = [f"'{value}' ({count} rows)" for value, count in sorted(found.items()) if value not in domain]
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise DataRefused(
            f"the label '{label}' has values that are not among the classes of its domain in the schema: "
            f"{', '.join(unknown[:_SHOWN])}{more}; fix the data, or add them at the end of the domain in schema.path"
        )


def _show(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
