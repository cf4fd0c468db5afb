"""Makes values of the configuration parameters of the job, which a submission can change without compiling again."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from hilir.components.trainer.model_package import load_package
from hilir.pipeline.config.data_path import locate
from hilir.pipeline.config.schema import Config
from hilir.pipeline.vertex.compile.containers import find_task

Json = dict[str, Any]

_Place = tuple[str, str, tuple[str | int, ...]]

# Where a key's value ends up: step, property, and the place in the property's JSON (empty: the whole property).
# A key below `train` has its own place below `train` in the Trainer's custom_config, and in the Preflight's settings if
# its one step depends on it; those below `train.tune` are read by the Tuner alone.
_PLACES: dict[str, _Place] = {
    "data.path": ("ExampleGen", "input_base", ()),
    "data.pattern": ("ExampleGen", "input_config", ("splits", 0, "pattern")),
    "serving.root": ("Pusher", "custom_config", ("root",)),
}
_HYPERPARAMETERS = "train.hyperparameters."
# A placeholder that stands for a number, and what surrounds it as long as it is kept as a string.
_MARK = "@@"
_BARE = re.compile(r"(?<!\")\{\{(\$\.inputs\.parameters\['\w+'\])\}\}(?!\")")
_TYPES = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}


def expose(job: Json, config: Config) -> list[str]:
    """Makes a parameter of each key in `vertex.parameters`, with its value as default; returns what cannot be one.

    The parameter is called like the key with `_` for `.`. TFX drops the defaults of its own RuntimeParameters, so they
    are written into runtimeConfig.parameterValues, where every client finds them.
    """
    faults = []
    for key in config.vertex.parameters:
        try:
            place = _place(key)
            _write_default(job, config, key, place)
            _expose(job, place, key, _value(config, key))
            if key.startswith("train."):
                with suppress(KeyError, TypeError):
                    place = ("Preflight", "settings", tuple(key.split(".")))
                    _write_default(job, config, key, place)
                    _expose(job, place, key, _value(config, key))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            faults.append(
                f"vertex.parameters: '{key}' cannot be changed at submission; these can: {', '.join(_PLACES)} "
                f"and numbers, strings, true and false below train, but not below train.tune"
            )
    return faults


def name_of(key: str) -> str:
    """Returns the parameter's name for a key of the configuration: train.epochs is train_epochs."""
    return key.replace(".", "_")


def _value(config: Config, key: str) -> Any:
    if key in ("data.path", "data.pattern"):
        # The path may end in a pattern.
        return locate(config.data.path, config.data.pattern)[key == "data.pattern"]
    values: Any = config.model_dump(by_alias=True, mode="json")
    if key.startswith(_HYPERPARAMETERS):
        values["train"]["hyperparameters"] = _hyperparameters(config)
    value = values
    for part in key.split("."):
        value = value[part]
    if type(value) not in _TYPES:
        raise TypeError(key)
    return value


def _hyperparameters(config: Config) -> Json:
    """Returns the hyperparameters with the defaults that the model package has for those that are not set."""
    package = load_package(config.model.package)
    found: Json = package.make_hyperparameters(dict(config.train.hyperparameters)).model_dump(mode="json")
    return found


def _write_default(job: Json, config: Config, key: str, place: _Place) -> None:
    """Writes a hyperparameter that the configuration does not set into a step's settings.

    It is written whole, so that what lies next to a nested one keeps the value that it would have had.
    """
    if not key.startswith(_HYPERPARAMETERS):
        return
    name = key.removeprefix(_HYPERPARAMETERS).partition(".")[0]
    step, setting, _ = place
    task = find_task(job, step)
    if task is None:
        raise KeyError(step)
    runtime_value = task["inputs"]["parameters"][setting]["runtimeValue"]
    content = _read_template(runtime_value["constant"])
    written = content["train"].setdefault("hyperparameters", {})
    value = _hyperparameters(config)[name]
    if name not in written:
        written[name] = value
    elif isinstance(value, dict):
        written[name] = _fill_in(value, written[name])
    runtime_value["constant"] = _write_template(content)


def _fill_in(defaults: Json, values: Json) -> Json:
    """Returns nested mappings with the defaults of what is not set; placeholders written before stay."""
    merged = {**defaults, **values}
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(values.get(name), dict):
            merged[name] = _fill_in(default, values[name])
    return merged


def _place(key: str) -> _Place:
    if key.startswith("train.") and not key.startswith("train.tune."):
        return "Trainer", "custom_config", tuple(key.split("."))
    return _PLACES[key]


def _expose(job: Json, place: _Place, key: str, value: Any) -> None:
    step, name, path = place
    parameter = name_of(key)
    task = find_task(job, step)
    if task is None:
        raise KeyError(step)
    inputs = task["inputs"]["parameters"]
    definition = {"parameterType": _TYPES[type(value)]}
    if path:
        runtime_value = inputs[name]["runtimeValue"]
        runtime_value["constant"] = _template(runtime_value["constant"], path, parameter, value)
        inputs[parameter] = {"componentInputParameter": parameter}
        component = job["pipelineSpec"]["components"][task["componentRef"]["name"]]
        component["inputDefinitions"]["parameters"][parameter] = definition
    else:
        inputs[name] = {"componentInputParameter": parameter}
    root = job["pipelineSpec"]["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    root[parameter] = definition
    job["runtimeConfig"].setdefault("parameterValues", {})[parameter] = value


def _template(constant: str, path: tuple[str | int, ...], parameter: str, value: Any) -> str:
    """Returns the JSON with a placeholder in place of one value, as kfp writes strings that contain a parameter."""
    content = _read_template(constant)
    node: Any = content
    for part in path[:-1]:
        node = node[part]
    if node[path[-1]] != value:
        raise ValueError(parameter)
    mark = "" if isinstance(value, str) else _MARK
    node[path[-1]] = f"{mark}{{{{$.inputs.parameters['{parameter}']}}}}{mark}"
    return _write_template(content)


def _read_template(constant: str) -> Json:
    """Returns the JSON of a template.

    A string keeps its quotes around a placeholder. A number has none, so its placeholder is put between marks.
    """
    content: Json = json.loads(_BARE.sub(rf'"{_MARK}{{{{\1}}}}{_MARK}"', constant))
    return content


def _write_template(content: Json) -> str:
    return json.dumps(content, sort_keys=True).replace(f'"{_MARK}', "").replace(f'{_MARK}"', "")
