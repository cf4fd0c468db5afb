"""Which exports are made of a blessed model, and what each must keep to: the configuration's `export` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from hilir.components.settings import Section

TFLiteVariant = Literal["float32", "dynamic_range", "float16", "int8", "int16x8"]
TFJSVariant = Literal["float32", "float16", "uint8"]


class Bounds(Section):
    """What a variant must keep against the SavedModel on the same examples."""

    difference: float = Field(ge=0)
    """Largest difference of any output: of scores from 0 to 1 as it is, of others in their standard deviations."""

    agreement: float = Field(ge=0, le=1)
    """Least share of examples with the same top class (one score: the same side of 0.5; one logit: of 0)."""

    metric_loss: float = Field(ge=0)
    """How much worse the metric may be: of scores as it is, of other outputs as a share of the SavedModel's."""


class TFLiteSettings(Section):
    """The exports for TensorFlow Lite."""

    variants: list[TFLiteVariant]
    inputs: Literal["raw", "transformed"]
    calibration: PositiveInt
    bounds: dict[TFLiteVariant, Bounds]

    @model_validator(mode="after")
    def _bounds_are_there(self) -> TFLiteSettings:
        _check_bounds(list(self.variants), list(self.bounds))
        return self


class TFJSSettings(Section):
    """The exports for TensorFlow.js."""

    variants: list[TFJSVariant]
    bounds: dict[TFJSVariant, Bounds]

    @model_validator(mode="after")
    def _bounds_are_there(self) -> TFJSSettings:
        _check_bounds(list(self.variants), list(self.bounds))
        return self


class ExportSettings(Section):
    """All exports; `on_failure`: a variant that cannot be converted stops the run, or is left out of what is pushed."""

    examples: PositiveInt
    metric: str | None
    on_failure: Literal["stop", "skip"]
    labels: list[str] | dict[str, list[str]]
    tflite: TFLiteSettings
    tfjs: TFJSSettings

    def name_classes(self, label: str) -> dict[str, list[str]]:
        """Returns the names of classes by label; a list is for `label`."""
        if isinstance(self.labels, dict):
            return self.labels
        return {label: self.labels} if self.labels else {}

    @property
    def only_names(self) -> tuple[str, ...]:
        """The names of classes if they are given for one label; none otherwise."""
        given = list(self.name_classes("").values())
        return tuple(given[0]) if len(given) == 1 else ()


def _check_bounds(variants: list[str], bounds: list[str]) -> None:
    for variant in variants:
        if variant not in bounds:
            raise ValueError(f"the variant '{variant}' has no bounds, so that nothing would be verified of it")
        if variants.count(variant) > 1:
            raise ValueError(f"names the variant '{variant}' twice")
