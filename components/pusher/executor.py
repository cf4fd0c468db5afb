"""The TFX executor of the push, on TFX's own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from hilir.components.evaluator.comparison import read_comparison
from hilir.components.evaluator.results import read_metrics
from hilir.components.exporter.export_report import NAME as EXPORT_REPORT
from hilir.components.pusher import manifest, numbered_versions
from hilir.components.pusher.card import describe_model, write_card
from hilir.components.pusher.golden_requests import write_golden
from hilir.components.pusher.version_schema import write_schema
from hilir.components.pusher.write_reference import write_reference


class Executor(tfx_pusher.Executor):
    """Pushes a blessed model as the next version."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `<root>/<model>/<version>` and records it in `pushed_model`; does nothing for an unblessed model.

        Raises:
            PushError: the serving root cannot be written to.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        settings = json.loads(exec_properties["custom_config"])
        folder = os.path.join(settings["root"], settings["model"])
        names = ("model", "evaluation", "tflite", "tfjs")
        source = " ".join(input_dict[name][0].uri for name in names if input_dict.get(name))
        version = numbered_versions.find_pushed(folder, source)
        if version is None:
            version = self._publish(folder, source, settings, input_dict, self._run_id(pushed.uri))
        path = os.path.join(folder, str(version))
        self._MarkPushed(pushed, pushed_destination=path, pushed_version=str(version))
        fileio.makedirs(pushed.uri)
        io_utils.copy_file(os.path.join(path, manifest.NAME), os.path.join(pushed.uri, manifest.NAME), overwrite=True)

    def _publish(
        self, folder: str, source: str, settings: dict[str, Any], inputs: dict[str, list[types.Artifact]], run_id: str
    ) -> int:
        model = self.GetModelPath(inputs)
        examples = inputs["examples"][0]
        metrics = read_metrics(inputs["evaluation"][0].uri)
        targets: list[str] = []

        def fill(target: str) -> None:
            io_utils.copy_dir(model, target)
            training, evaluation = (
                [os.path.join(artifact_utils.get_split_uri([examples], split), "*")]
                for split in (settings["roles"]["train"], settings["roles"]["evaluate"])
            )
            write_golden(target, settings["model"], evaluation)
            write_reference(target, training, evaluation, settings["judged"])
            write_schema(target, io_utils.get_only_uri_in_dir(inputs["schema"][0].uri))
            write_card(target, describe_model(settings, metrics, _describe_data(examples), run_id))
            targets.append(target)

        exports = {name: inputs[name][0].uri for name in ("tflite", "tfjs") if inputs.get(name)}
        exports = {name: uri for name, uri in exports.items() if fileio.exists(os.path.join(uri, EXPORT_REPORT))}

        def fill_exports(target: str) -> None:
            for name, uri in exports.items():
                io_utils.copy_dir(uri, os.path.join(target, name))

        def make_manifest(version: int) -> dict[str, Any]:
            return {
                "schema": manifest.SCHEMA,
                "model": settings["model"],
                "version": version,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "run_id": run_id,
                "pipeline": settings["pipeline"],
                "blessed": True,
                "source": source,
                "files": manifest.describe_files(targets[0]),
                "signatures": manifest.describe_signatures(targets[0]),
                "parameters": manifest.describe_parameters(targets[0]),
                "classes": manifest.describe_classes(targets[0], settings["classes"]),
                "metrics": metrics,
                "comparison": asdict(read_comparison(inputs["evaluation"][0].uri)),
                "thresholds": settings["thresholds"],
                "data": _describe_data(examples),
                "code": settings["code"],
                "packages": manifest.installed_packages(),
                "exports": {name: manifest.describe_export(uri) for name, uri in exports.items()},
            }

        return numbered_versions.publish(folder, fill, make_manifest, fill_exports if exports else None)

    def _run_id(self, uri: str) -> str:
        """Returns the run's id; Vertex AI tells a step none, and has it in `<root>/<project>/<run>/<task>/<output>`."""
        parts = uri.rstrip("/").split("/")
        return self._context.pipeline_run_id or (parts[-3] if len(parts) > 3 else "")


def _describe_data(examples: types.Artifact) -> dict[str, Any]:
    version = examples.get_custom_property("version")
    return {
        "span": int(examples.get_custom_property("span") or 0),
        "version": None if version is None else int(version),
        # All spans of a window; `span` and `version` are the newest one's.
        "spans": json.loads(examples.get_string_custom_property("spans") or "[]"),
        "fingerprint": str(examples.get_custom_property("input_fingerprint") or ""),
        "examples": examples.uri,
    }
