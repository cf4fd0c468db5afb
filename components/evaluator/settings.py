"""What a model must reach to be blessed: the configuration's `evaluate` section."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from hilir.components.settings import Section


class Metric(Section):
    """A metric of TFMA or Keras, by class name."""

    name: str
    metric: str = Field(alias="class")
    config: dict[str, Any] = Field(default_factory=dict)


class Slice(Section):
    """Rows to look at apart: each value of `features`, or the rows where `values` hold."""

    features: list[str] = Field(default_factory=list)
    values: dict[str, str | int | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_something(self) -> Slice:
        if not self.features and not self.values:
            raise ValueError("names neither 'features' nor 'values'; all rows are evaluated without being named")
        return self


class Change(Section):
    """The least change against the latest blessed model; -0.01 lets the metric lose 0.01."""

    absolute: float | None = None
    relative: float | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Change:
        if self.absolute is None and self.relative is None:
            raise ValueError("needs 'absolute' or 'relative'")
        return self


class Threshold(Section):
    """A bound that a metric must keep, over all rows or over each part of a named slice."""

    metric: str
    slice: str | None = None
    min: float | None = None
    max: float | None = None
    change: Change | None = None
    better: Literal["higher", "lower"] = "higher"

    @model_validator(mode="after")
    def _bounds_something(self) -> Threshold:
        if self.min is None and self.max is None and self.change is None:
            raise ValueError("bounds nothing: give min, max or change")
        return self


class EvaluateSettings(Section):
    """Metrics, slices and thresholds of the gate."""

    metrics: list[Metric]
    slices: dict[str, Slice]
    thresholds: list[Threshold]

    @model_validator(mode="after")
    def _gate_is_present(self) -> EvaluateSettings:
        if not self.thresholds:
            raise ValueError(
                "has no thresholds: every model would be pushed. Give at least one, for example "
                "'thresholds: [{metric: auc, min: 0.6}]'"
            )
        metrics = {metric.name for metric in self.metrics}
        pairs = [(threshold.metric, threshold.slice) for threshold in self.thresholds]
        for metric, part in pairs:
            if pairs.count((metric, part)) > 1:
                raise ValueError(
                    f"thresholds name the metric '{metric}' twice for {f'the slice {part!r}' if part else 'all rows'}; "
                    f"put both bounds into one threshold"
                )
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
