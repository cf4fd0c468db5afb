"""What a candidate is compared with."""

from __future__ import annotations

from ml_metadata import MetadataStore
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.types import Artifact


class LatestOtherBlessedModelStrategy(LatestBlessedModelStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    With TFX's own strategy the blessing of a first run changes the input of the second run's Evaluator: an unchanged
    rerun compares the model with itself and pushes it again. Here the unchanged rerun finds the same baseline as the
    run before, and all that depends on it stays cached.

    Its inputs are `model`, `model_blessing` and `candidate`; the last one resolves to nothing.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Returns the model and its blessing, each a list of one artifact or of none."""
        candidates = {artifact.id for artifact in input_dict["candidate"]}
        others = {
            "model": [artifact for artifact in input_dict["model"] if artifact.id not in candidates],
            "model_blessing": input_dict["model_blessing"],
        }
        found = super().resolve_artifacts(store, others)
        return None if found is None else found | {"candidate": []}
