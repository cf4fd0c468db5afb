"""What new data is compared with: the version that was pushed last."""

from __future__ import annotations

import os

from ml_metadata import MetadataStore
from tfx import types
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.dsl.io import fileio
from tfx.types import Artifact

from hilir.components.lineage import find_inputs


class LastPushStrategy(ResolverStrategy):
    """Resolves the push before this data, and the statistics of its own data.

    Pushes of models that learned from these very examples are passed over: data is not compared with itself, and the
    push of a run does not change what the next run looks at, so that an unchanged rerun stays cached.

    Its inputs are `pushed_model`, `statistics` and, of this run, `examples`.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Returns lists of one artifact or of none."""
        current = {artifact.id for artifact in input_dict.get("examples", [])}
        found: dict[str, list[Artifact]] = {name: [] for name in input_dict}
        for push in sorted(input_dict["pushed_model"], key=lambda artifact: artifact.id, reverse=True):
            learned = set(find_inputs(store, push.id, "examples"))
            if push.get_int_custom_property("pushed") != 1 or learned & current:
                continue
            newest = sorted(input_dict["statistics"], key=lambda artifact: artifact.id, reverse=True)
            described = (each for each in newest if learned & set(find_inputs(store, each.id, "examples")))
            return found | {"pushed_model": [push], "statistics": list(described)[:1]}
        return found


def find_file(push: types.Artifact | None, name: str) -> str | None:
    """Returns the path of a file in `assets.extra` of the version that was pushed, None where it is not there."""
    if push is None:
        return None
    path = os.path.join(push.get_string_custom_property("pushed_destination"), "assets.extra", name)
    return path if fileio.exists(path) else None


def name_version(push: types.Artifact) -> str:
    """Returns what a person calls the version that was pushed."""
    return f"version {push.get_string_custom_property('pushed_version')}"
