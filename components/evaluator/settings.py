"""What a model must reach to be blessed: the configuration's `evaluate` section."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationInfo, field_validator, model_validator

from hilir.analysis.directions import find_direction
from hilir.components.evaluator.metric_classes import CLASSES, COUNTS, find_fault
from hilir.components.settings import Section

_PARTS = ("class_id", "top_k")


class Metric(Section):
    """A metric of TFMA or Keras by class name, or one of the user's own by module and class name.

    - `output`: the output of the model that it reads; None: `evaluate.output`;
    - `class_id`: the one class that it looks at (a list: a metric for each, called `<name>_<class_id>`);
    - `top_k`: only the `top_k` highest scores of a row count; `k`: only the k-th highest does.
    """

    name: str
    metric: str = Field(alias="class")
    module: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    output: str | None = None
    class_id: NonNegativeInt | list[NonNegativeInt] | None = None
    top_k: PositiveInt | None = None
    k: PositiveInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_parts_from_arguments(cls, given: Any) -> Any:
        """Keras and TFMA take these as arguments, too; one place lets thresholds read what was computed."""
        if not isinstance(given, dict) or not isinstance(given.get("config"), dict) or given.get("module"):
            return given
        known = CLASSES.get(given.get("class", ""))
        moved = {name: given["config"][name] for name in _PARTS if name in given["config"]}
        if known is None or not set(moved) <= set(known.arguments):
            return given
        for name, value in moved.items():
            if given.get(name) not in (None, value):
                raise ValueError(f"has {name} {given[name]} and config.{name} {value}; give one of them")
        kept = {name: value for name, value in given["config"].items() if name not in moved}
        return given | moved | {"config": kept}

    @field_validator("class_id", mode="before")
    @classmethod
    def _is_class(cls, given: Any) -> Any:
        """One sentence, where a union would give one for each of its types."""
        classes = given if isinstance(given, list) else [given]
        if given is not None and not all(type(each) is int and each >= 0 for each in classes):
            raise ValueError(f"must be a whole number from 0, or a list of them, and is {given!r}")
        return given

    @model_validator(mode="after")
    def _is_supported(self) -> Metric:
        parts = [name for name in ("class_id", "top_k", "k") if getattr(self, name) is not None]
        if len(parts) > 1:
            raise ValueError(f"has {' and '.join(parts)}; give one of them")
        if "name" in self.config:
            raise ValueError("config: has a 'name'; the metric's name is evaluate.metrics[…].name")
        if self.module is not None:
            return self
        fault = find_fault(self.metric, self.config)
        if fault:
            raise ValueError(fault)
        if parts and (CLASSES[self.metric].kind == "classes" or self.metric in COUNTS):
            raise ValueError(
                f"the class {self.metric} has no {parts[0]}, it looks at all classes; "
                f"use Precision, Recall, BinaryAccuracy or AUC"
            )
        return self

    def split(self) -> list[Metric]:
        """Returns a metric for each class of a list in `class_id`, else itself."""
        if not isinstance(self.class_id, list):
            return [self]
        return [self.model_copy(update={"name": f"{self.name}_{each}", "class_id": each}) for each in self.class_id]


class Slice(Section):
    """Rows to look at apart: each value of `features`, or the rows where `values` hold; both are raw columns."""

    features: list[str] = Field(default_factory=list)
    values: dict[str, str | int | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_something(self) -> Slice:
        if not self.features and not self.values:
            raise ValueError("names neither 'features' nor 'values'; all rows are evaluated without being named")
        return self


class Change(Section):
    """The bound of a metric's difference from the baseline.

    With `better: higher` the minimum: -0.01 allows the metric to fall by 0.01. With `better: lower` the maximum: 0.01
    allows it to rise by 0.01.
    """

    absolute: float | None = None
    relative: float | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Change:
        if self.absolute is None and self.relative is None:
            raise ValueError("needs 'absolute' or 'relative'")
        return self


class Threshold(Section):
    """A bound that a metric must keep, over all rows or over each part of a named slice.

    `better`: which way the metric is better; None: as its class says.
    """

    metric: str
    slice: str | None = None
    min: float | None = None
    max: float | None = None
    change: Change | None = None
    better: Literal["higher", "lower"] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Threshold:
        if self.min is None and self.max is None and self.change is None:
            raise ValueError("bounds nothing: give min, max or change")
        return self


class EvaluateSettings(Section):
    """Metrics, slices and thresholds of the gate.

    - `output`: the output of the model that metrics read which name none; None: the model's only one;
    - `baseline`: what to do where the baseline cannot answer today's rows: `compare` stops the run,
      `skip_incompatible` evaluates without a baseline;
    - `plots`: whether TFMA's plots are computed for metrics of classification.
    """

    output: str | None = None
    baseline: Literal["compare", "skip_incompatible"] = "compare"
    plots: bool = True
    metrics: list[Metric]
    slices: dict[str, Slice]
    thresholds: list[Threshold]

    @field_validator("metrics", mode="after")
    @classmethod
    def _split_by_class(cls, metrics: list[Metric]) -> list[Metric]:
        found = [part for metric in metrics for part in metric.split()]
        names = [metric.name for metric in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"has two metrics called '{twice}', and one would overwrite the other; give each a name of its own, "
                f"for example {twice}_0 and {twice}_1"
            )
        return found

    @field_validator("thresholds", mode="after")
    @classmethod
    def _say_what_is_better(cls, thresholds: list[Threshold], given: ValidationInfo) -> list[Threshold]:
        metrics = {metric.name: metric for metric in given.data.get("metrics", ())}
        return [_say_what_is_better(bound, metrics.get(bound.metric), place) for place, bound in enumerate(thresholds)]

    @model_validator(mode="after")
    def _gate_is_present(self) -> EvaluateSettings:
        if not self.thresholds:
            raise ValueError(
                "has no thresholds: every model would be pushed. Give at least one, for example "
                "'thresholds: [{metric: auc, min: 0.6}]'"
            )
        self._check_pairs()
        metrics = {metric.name for metric in self.metrics}
        for index, threshold in enumerate(self.thresholds):
            if threshold.metric not in metrics:
                raise ValueError(
                    f"thresholds[{index}] names the metric '{threshold.metric}', "
                    f"which is not among the metrics {sorted(metrics)}"
                )
            if threshold.slice is not None and threshold.slice not in self.slices:
                raise ValueError(
                    f"thresholds[{index}] names the slice '{threshold.slice}', "
                    f"which is not among the slices {sorted(self.slices)}"
                )
        return self

    def _check_pairs(self) -> None:
        pairs = [(threshold.metric, threshold.slice) for threshold in self.thresholds]
        for metric, part in pairs:
            if pairs.count((metric, part)) > 1:
                raise ValueError(
                    f"thresholds name the metric '{metric}' twice for {f'the slice {part!r}' if part else 'all rows'}; "
                    f"put both bounds into one threshold"
                )

    def output_of(self, metric: Metric) -> str | None:
        """Returns the name of the output that the metric reads; None: the model's only one."""
        return None if metric.metric in COUNTS and metric.module is None else metric.output or self.output


def _say_what_is_better(bound: Threshold, metric: Metric | None, place: int) -> Threshold:
    if bound.better is not None or metric is None:
        return bound
    found = find_direction(metric.metric, metric.name)
    if found is None:
        if bound.change is not None:
            raise ValueError(
                f"[{place}] bounds the change of '{metric.name}', and neither its name nor that of its class says "
                "which way it is better; add better: higher or better: lower"
            )
        found = -1 if bound.min is None else 1
    return bound.model_copy(update={"better": "lower" if found < 0 else "higher"})
