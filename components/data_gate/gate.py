"""Decides which anomalies of the data stop a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorflow_metadata.proto.v0 import anomalies_pb2

from hilir.components.data_gate.data_drift import Finding
from hilir.components.yaml_text import show_key

_RANKS = {"never": 99, "error": 2, "warning": 1}
_EMPTY_CELLS = ("FEATURE_TYPE_LOW_FRACTION_PRESENT", "INVALID_FEATURE_SHAPE")
_UNEXPECTED = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
_SEVERITIES = {anomalies_pb2.AnomalyInfo.ERROR: "error", anomalies_pb2.AnomalyInfo.WARNING: "warning"}


@dataclass(frozen=True)
class Refusal:
    """One anomaly that stops the run, and the splits that have it alike."""

    splits: tuple[str, ...]
    feature: str
    anomaly: str
    severity: str
    description: str
    values: str = ""

    @property
    def is_about_empty_cells(self) -> bool:
        """Whether rows have no value, or fewer, that should have one."""
        return self.anomaly in _EMPTY_CELLS

    def __str__(self) -> str:
        place = f"feature '{self.feature}'" if self.feature else "the whole dataset"
        values = f" [{self.values}]" if self.values else ""
        splits = f"split{'s' if len(self.splits) > 1 else ''} {' and '.join(self.splits)}"
        return f"{splits}, {place}: {self.anomaly} ({self.severity}): {self.description}{values}"


def find_refusals(
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    fail_on: str,
    accept: Mapping[str, Sequence[str]],
    unexpected: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Refusal]:
    """Returns the anomalies that stop the run; what two splits have in the same words is one.

    Args:
        anomalies: TFDV's findings by split.
        fail_on: the lowest severity that stops: `error`, `warning`, or `never`.
        accept: names of anomaly types to accept, by feature; the dataset's own under the empty name.
        unexpected: by split and feature, the values that the schema does not know.
    """
    splits: dict[Refusal, tuple[str, ...]] = {}
    for split, found in sorted(anomalies.items()):
        for refusal in _all(found):
            if _RANKS[refusal.severity] < _RANKS[fail_on] or refusal.anomaly in accept.get(refusal.feature, ()):
                continue
            values = (unexpected or {}).get(split, {}).get(refusal.feature, "")
            alike = replace(refusal, values=values) if refusal.anomaly == _UNEXPECTED else refusal
            splits[alike] = (*splits.get(alike, ()), split)
    return [replace(refusal, splits=names) for refusal, names in splits.items()]


def explain(refusals: Sequence[Refusal], fail_on: str, origin: str = "") -> str:
    """Returns the text for the user: fact, places, remedy; `origin` is what the data was checked against."""
    count = f"{len(refusals)} {'anomaly' if len(refusals) == 1 else 'anomalies'}"
    first = refusals[0]
    lines = [f"the data has {count} of severity '{fail_on}' or above; nothing was trained, nothing was pushed"]
    lines += [f"  {refusal}" for refusal in refusals]
    lines += [f"It was checked against {origin}."] if origin else []
    if any(refusal.is_about_empty_cells for refusal in refusals):
        lines.append(
            "Where preprocessing_fn needs a value in each row, let it also take a tf.SparseTensor (tf.sparse.to_dense)."
            " Where it returns the label's column as it is, rows without one are left out (train.missing_label: drop)."
            " Rows whose list has another length than all had before are left out with data.on_bad_rows: skip."
        )
    lines += [
        "To accept one, name it in the configuration, for example",
        f"  --set 'validation.accept={{{show_key(first.feature)}: [{first.anomaly}]}}'",
        "or change the schema (schema.path; 'hilir schema freeze' writes one), or correct the data.",
    ]
    return "\n".join(lines)


def explain_drift(alarming: Sequence[Finding], version: str) -> str:
    """Returns the text for the user about data that is not what the version learned from."""
    lines = [f"the data drifted since {version}; nothing was trained, nothing was pushed"]
    lines += [f"  {finding}" for finding in alarming]
    lines.append("Correct the data; or, if the world did change, type --set validation.drift=warn")
    return "\n".join(lines)


def _all(found: anomalies_pb2.Anomalies) -> Iterator[Refusal]:
    """Yields the anomalies of one split, which they do not name yet."""
    for feature, info in sorted(found.anomaly_info.items()):
        yield from _of(feature, info)
    if found.HasField("dataset_anomaly_info"):
        yield from _of("", found.dataset_anomaly_info)


def _of(feature: str, info: anomalies_pb2.AnomalyInfo) -> Iterator[Refusal]:
    severity = _SEVERITIES.get(info.severity, "error")
    for reason in info.reason:
        name = anomalies_pb2.AnomalyInfo.Type.Name(reason.type)
        yield Refusal((), feature, name, severity, reason.description or reason.short_description)
