"""What a candidate is compared with."""

from __future__ import annotations

from ml_metadata import MetadataStore
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact

from hilir.components.lineage import find_inputs


class LatestPushedModelStrategy(ResolverStrategy):
    """Resolves the model of the last push, which is not the candidate itself.

    TFX's own strategy takes the latest blessed model. One that was blessed and not pushed (an export failed, the run
    was interrupted) serves nobody, and the blessing of a first run would change the input of the second run's
    Evaluator: an unchanged rerun would compare the model with itself and push it again. Here the unchanged rerun finds
    the same baseline as the run before, and all that depends on it stays cached.

    Its inputs are `model`, `pushed_model` and, where there is one already, `candidate`; all but `model` resolve to
    nothing. Which model a push was given is in the metadata store.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Returns the model, a list of one artifact or of none."""
        candidates = {artifact.id for artifact in input_dict.get("candidate", [])}
        models = {artifact.id: artifact for artifact in input_dict["model"] if artifact.id not in candidates}
        pushed = sorted(input_dict["pushed_model"], key=lambda artifact: artifact.id, reverse=True)
        found: list[Artifact] = []
        for push in pushed:
            if push.get_int_custom_property("pushed") != 1:
                continue
            found = [models[number] for number in find_inputs(store, push.id, "model") if number in models]
            if found:
                break
        return {name: [] for name in input_dict} | {"model": found[:1]}
