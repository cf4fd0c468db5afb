"""TFX's ExampleValidator, which also knows what was pushed last."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator import executor as tfx_validator
from tfx.components.example_validator import labels
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.components.util import value_utils
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, writer_utils

from hilir.components.data_gate.last_push import find_file, name_version
from hilir.components.data_gate.uses import Uses, find_uses, read_uses, write_uses
from hilir.components.missing import keep_features
from hilir.components.settings import SplitRoles
from hilir.components.versions import SCHEMA

_ORIGIN, _USES = "checked_against", "uses"
_GROUP = 100
_EMPTY = anomalies_pb2.AnomalyInfo.FEATURE_TYPE_LOW_FRACTION_PRESENT


class ValidatorSpec(standard_component_specs.ExampleValidatorSpec):
    """What TFX's ExampleValidator needs, and the push before."""

    PARAMETERS = standard_component_specs.ExampleValidatorSpec.PARAMETERS | {
        "schema_path": component_spec.ExecutionParameter(type=str),
        "roles": component_spec.ExecutionParameter(type=str),
        "use": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.ExampleValidatorSpec.INPUTS | {
        "last_push": component_spec.ChannelParameter(type=standard_artifacts.PushedModel, optional=True),
        "last_statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
    }


class Executor(tfx_validator.Executor):
    """Checks the statistics against the curated schema, else that of the last push, else the one of this data."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        """Writes the anomalies of each split, and in a property against what the data was checked."""
        push = next(iter(input_dict.get("last_push") or []), None)
        path = exec_properties["schema_path"]
        self._curated = bool(path)
        self._roles = SplitRoles.model_validate_json(exec_properties["roles"])
        own = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict["schema"]))
        before = None if path else find_file(push, SCHEMA)
        self._schema = io_utils.parse_pbtxt_file(before, schema_pb2.Schema()) if before else None
        self._statistics = input_dict["statistics"][0]
        self._last = next(iter(input_dict.get("last_statistics") or []), None)
        origin = path or (f"the schema of {name_version(push)}" if push and before else "")
        self._uses = find_uses(
            self._schema,
            io_utils.parse_pbtxt_file(own, schema_pb2.Schema()),
            **json.loads(exec_properties["use"]),
        )
        output_dict["anomalies"][0].set_string_custom_property(_ORIGIN, origin)
        output_dict["anomalies"][0].set_string_custom_property(_USES, write_uses(self._uses))
        return super().Do({key: input_dict[key] for key in ("statistics", "schema")}, output_dict, exec_properties)

    def _Validate(  # noqa: N802 - TFX's name
        self, inputs: dict[str, Any], outputs: dict[str, Any]
    ) -> anomalies_pb2.Anomalies:
        folder = value_utils.GetSoleValue(outputs, labels.SCHEMA_DIFF_PATH)
        split = os.path.basename(folder.rstrip("/")).removeprefix("Split-")
        anomalies = validate(
            inputs["statistics"],
            self._schema or inputs["schema"],
            _load(self._last, split),
            _load(self._statistics, self._roles.evaluate) if split == self._roles.train else None,
        )
        say_once(anomalies)
        if not self._curated:
            soften(anomalies, self._uses)
        writer_utils.write_anomalies(os.path.join(folder, tfx_validator.DEFAULT_FILE_NAME), anomalies)
        return anomalies


def validate(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    last: statistics_pb2.DatasetFeatureStatisticsList | None,
    held_out: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> anomalies_pb2.Anomalies:
    """Returns the anomalies.

    Args:
        statistics: of the data.
        schema: what is expected; its `drift_comparator` bounds the distance to `last`, and its `skew_comparator` that
            to `held_out`.
        last: statistics of the data of the last push, if any.
        held_out: of the split for evaluation, which stands for what will be served.
    """
    result: anomalies_pb2.Anomalies | None = None
    for names in _group(statistics, schema):
        part = tfdv.validate_statistics(
            _keep(statistics, names),
            schema if names is None else keep_features(schema, names),
            previous_statistics=_keep(last, names),
            serving_statistics=_keep(held_out, names),
        )
        if result is None:
            result = part
            continue
        result.baseline.feature.extend(part.baseline.feature)
        for name, info in part.anomaly_info.items():
            result.anomaly_info[name].CopyFrom(info)
        result.drift_skew_info.extend(part.drift_skew_info)
    assert result is not None
    return _with_plain_names(result)


def _with_plain_names(anomalies: anomalies_pb2.Anomalies) -> anomalies_pb2.Anomalies:
    """Returns the anomalies by the names of their columns: TFDV has quotes around those with a dot."""
    found = anomalies_pb2.Anomalies()
    found.CopyFrom(anomalies)
    found.anomaly_info.clear()
    for key, info in anomalies.anomaly_info.items():
        found.anomaly_info[info.path.step[0] if len(info.path.step) == 1 else key].CopyFrom(info)
    return found


def _group(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, schema: schema_pb2.Schema
) -> list[frozenset[str] | None]:
    """Returns groups of columns that can be looked at by themselves; None for all.

    TFDV takes the square of their number: 8 seconds for 3,000.
    """
    names = dict.fromkeys(each.name for each in schema.feature)
    names |= dict.fromkeys(_name(each) for dataset in statistics.datasets for each in dataset.features)
    is_tied = schema.sparse_feature or schema.weighted_feature
    if len(names) <= _GROUP or is_tied:
        return [None]
    every = list(names)
    return [frozenset(every[start : start + _GROUP]) for start in range(0, len(every), _GROUP)]


def _keep(
    statistics: statistics_pb2.DatasetFeatureStatisticsList | None, names: frozenset[str] | None
) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    """Returns the statistics of these columns."""
    if statistics is None or names is None:
        return statistics
    found = statistics_pb2.DatasetFeatureStatisticsList()
    for dataset in statistics.datasets:
        kept = found.datasets.add()
        for field, value in dataset.ListFields():
            if field.name == "features":
                kept.features.extend(each for each in value if _name(each) in names)
            elif field.is_repeated:
                getattr(kept, field.name).extend(value)
            else:
                setattr(kept, field.name, value)
    return found


def _name(feature: statistics_pb2.FeatureNameStatistics) -> str:
    """Returns the column of statistics, which may be about a part of it."""
    name: str = feature.path.step[0] if feature.HasField("path") else feature.name
    return name


def soften(anomalies: anomalies_pb2.Anomalies, uses: Uses) -> None:
    """Makes warnings of what spoils no model, as nobody wrote down what is allowed.

    These are columns that are new, or that nobody reads, and empty cells that have a meaning.
    """
    for name, info in anomalies.anomaly_info.items():
        kinds = {reason.type for reason in info.reason}
        is_meant = kinds == {_EMPTY} and (name in uses.unlabelled or name in uses.filled)
        if is_meant or name in uses.unread or kinds == {anomalies_pb2.AnomalyInfo.SCHEMA_NEW_COLUMN}:
            info.severity = anomalies_pb2.AnomalyInfo.WARNING


def say_once(anomalies: anomalies_pb2.Anomalies) -> None:
    """Removes the second anomaly that TFDV finds in empty cells: that their rows have another shape."""
    for info in anomalies.anomaly_info.values():
        if any(reason.type == _EMPTY for reason in info.reason):
            kept = [reason for reason in info.reason if reason.type != anomalies_pb2.AnomalyInfo.INVALID_FEATURE_SHAPE]
            del info.reason[:]
            info.reason.extend(kept)


def read_origin(anomalies: types.Artifact) -> str:
    """Returns against what the data was checked; empty where there was nothing but itself."""
    found: str = anomalies.get_string_custom_property(_ORIGIN)
    return found


def read_noted_uses(anomalies: types.Artifact) -> Uses:
    """Returns what the columns of the data are for."""
    noted = anomalies.get_string_custom_property(_USES)
    return read_uses(noted) if noted else Uses()


def _load(artifact: types.Artifact | None, split: str) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    if artifact is None or split not in artifact_utils.decode_split_names(artifact.split_names):
        return None
    return stats_artifact_utils.load_statistics(artifact, split).proto()


class ExampleValidator(base_component.BaseComponent):
    """Looks for anomalies in the statistics."""

    SPEC_CLASS = ValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        schema_path: str | None,
        roles: SplitRoles,
        sliced_by: Sequence[str],
        drops_unlabelled: bool,
        last_push: types.BaseChannel | None = None,
        last_statistics: types.BaseChannel | None = None,
    ) -> None:
        """Makes the node.

        Args:
            statistics: of the examples.
            schema: the one of this run.
            schema_path: the file that it comes from, None where it was inferred.
            roles: which split is trained on, and which stands for what will be served.
            sliced_by: the raw columns of the evaluation's slices.
            drops_unlabelled: whether rows without a label are left out.
            last_push: the version pushed last, if there is a way to know it.
            last_statistics: of the data that it learned from.
        """
        super().__init__(
            spec=ValidatorSpec(
                statistics=statistics,
                schema=schema,
                schema_path=schema_path or "",
                roles=roles.model_dump_json(by_alias=True),
                use=json.dumps({"sliced_by": sorted(set(sliced_by)), "drops_unlabelled": drops_unlabelled}),
                last_push=last_push,
                last_statistics=last_statistics,
                exclude_splits="[]",
                anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
