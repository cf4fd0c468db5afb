"""Golden requests: what a version answered when it was made, it must answer where it serves."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hilir.serving.errors import ReleaseRefused
from hilir.serving.outcomes.access_log import GOLDEN_IDS
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.release.version_checks import is_adopted, read_manifest
from hilir.serving.releases.release_store import Store
from hilir.serving.sample_request import GOLDEN_FILE

# Other processors and thread counts add up in another order; a wrong model is further away.
RELATIVE, ABSOLUTE = 1e-3, 1e-5


def read_golden(store: Store, model: str, version: int) -> list[dict[str, Any]]:
    """Returns the golden requests of a version, each with signature, inputs and outputs.

    An adopted version need not have any.

    Raises:
        ReleaseRefused: there are none.
    """
    path = store.root / model / str(version) / GOLDEN_FILE
    cases = _read(path)
    if not cases and not is_adopted(read_manifest(store, model, version)):
        raise ReleaseRefused(
            f"{path}: no golden requests, so nothing shows that the version serves what it learned; "
            "push it again with this program's pipeline"
        )
    return cases


def replay_golden(store: Store, model: str, version: int, replicas: Sequence[str], caller: RestCaller) -> int:
    """Sends the golden requests of a version to every replica and compares the answers; returns how many were sent.

    Raises:
        ReleaseRefused: an answer differs, or there is none.
        TargetError: a replica does not answer at all.
    """
    cases = read_golden(store, model, version)
    for replica in replicas:
        url = f"{replica}/v1/models/{model}/versions/{version}:predict"
        for number, case in enumerate(cases, start=1):
            body = {"signature_name": case["signature"], "inputs": case["inputs"]}
            # What is measured of traffic leaves these out.
            header = {"X-Request-Id": f"{GOLDEN_IDS}{version}-{number}"}
            status, answer = caller.call("POST", url, body, header)
            fault = _compare(case["outputs"], status, answer)
            if fault:
                raise ReleaseRefused(
                    f"{model}: version {version} on {replica} does not answer golden request {number} as it did when "
                    f"it was made: {fault}; it gets no traffic, see {GOLDEN_FILE} of the version"
                )
    return len(cases) * len(replicas)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines()
        cases: list[dict[str, Any]] = [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ReleaseRefused(f"{path}: not JSON lines ({error}); push the version again") from None
    for case in cases:
        if not {"signature", "inputs", "outputs"} <= case.keys():
            raise ReleaseRefused(f"{path}: a line lacks signature, inputs or outputs; push the version again")
    return cases


def _compare(expected: dict[str, Any], status: int, answer: Any) -> str | None:
    if status != 200 or not isinstance(answer, dict) or "outputs" not in answer:
        return f"status {status} with {str(answer)[:300]}"
    outputs = answer["outputs"]
    # One output comes bare (http_rest_api_util.cc, FillPredictResponse in columnar format).
    found = {next(iter(expected)): outputs} if len(expected) == 1 else outputs
    for name, value in expected.items():
        if name not in found:
            return f"output {name} is missing"
        fault = compare_values(value, found[name], name)
        if fault:
            return fault
    return None


def compare_values(expected: Any, found: Any, place: str) -> str | None:
    """Returns the first difference between two nested lists, or None; floats may differ in their last digits."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return f"{place} has another shape"
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            fault = compare_values(one, other, f"{place}[{index}]")
            if fault:
                return fault
        return None
    if isinstance(expected, bool) or isinstance(found, bool):
        same = expected is found
    elif isinstance(expected, float) and isinstance(found, int | float):
        same = math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        same = same or (math.isnan(expected) and math.isnan(found))
    else:
        same = _bytes_or_value(expected) == _bytes_or_value(found)
    return None if same else f"{place} was {expected!r} and is {found!r}"


def _bytes_or_value(value: Any) -> Any:
    """Strings come plain or in base64: a server decides by the name of the output (json_tensor.cc, `_bytes`)."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return base64.b64decode(value["b64"]) if isinstance(value, dict) and value.keys() == {"b64"} else value
