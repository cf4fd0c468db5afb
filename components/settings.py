"""The base of all settings that the configuration hands to a component."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# What protocol buffers, TensorFlow and Vertex AI (whose numbers are doubles) all keep exactly.
LARGEST = 2**31 - 1
PositiveInt = Annotated[int, Field(gt=0, le=LARGEST)]
NonNegativeInt = Annotated[int, Field(ge=0, le=LARGEST)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class SplitRoles(Section):
    """Which split is trained on, which is looked at while training, and which the candidate is judged by.

    - `train`: rows to learn from; Transform's vocabularies and scales, typical values and drift come from them too;
    - `validate`: for early stopping, checkpoints and hyperparameters;
    - `evaluate`: for the Evaluator's metrics and thresholds, the comparison of exports, and golden requests.
    """

    train: str = "train"
    validate_: str = Field(default="eval", alias="validate")
    evaluate: str = "eval"

    @property
    def names(self) -> dict[str, str]:
        """The names of the splits by role, as they are written in `data.roles`."""
        return self.model_dump(by_alias=True)
