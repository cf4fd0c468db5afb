"""The Kubernetes files: their types, and what they promise."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from tests.contract.deploy.kubernetes_schema import faults
from tests.integration.serving.server_process import wait_until

FOLDER = Path(__file__).parents[3] / "deploy/serving"
FILES = sorted(path for path in (FOLDER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [(path.name, found) for path in FILES for found in yaml.safe_load_all(path.read_text())]
PODS = [
    (f"{found['kind']} {name}", found["spec"]["template"]["spec"])
    for name, found in OBJECTS
    if found["kind"] in ("Deployment", "Job")
]


@pytest.mark.parametrize(("name", "found"), OBJECTS, ids=[f"{n}-{o['kind']}" for n, o in OBJECTS])
def test_every_object_fits_the_api(name, found):
    assert faults(found) == []


def test_the_check_finds_mistakes():
    (deployment,) = [
        found for _, found in OBJECTS if found["kind"] == "Deployment" and found["metadata"]["name"] == "models"
    ]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    for spoilt in (
        container | {"readynessProbe": {}},
        container | {"ports": [{"name": "rest"}]},
        container | {"args": "--port=1"},
        container | {"securityContext": {"readOnlyRootFilesystem": "yes"}},
    ):
        pod = deployment["spec"]["template"]["spec"] | {"containers": [spoilt]}
        template = deployment["spec"]["template"] | {"spec": pod}
        assert len(faults(deployment | {"spec": deployment["spec"] | {"template": template}})) == 1
    assert faults({"apiVersion": "apps/v1", "kind": "Deploymnt"})


def test_the_kustomization_names_files_that_are_there_and_the_same_configuration():
    content = yaml.safe_load((FOLDER / "kubernetes/kustomization.yaml").read_text())
    assert {path.name for path in FILES} == {*content["resources"], "release-job.yaml", "monitor.yaml"}
    for name in ("monitoring.config", "batching.config"):
        assert (FOLDER / "kubernetes" / name).read_text() == (FOLDER / name).read_text()


@pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
def test_no_container_is_root_or_writes_to_its_image(name, pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
        if name.startswith("Deployment"):
            assert all(mount.get("readOnly") for mount in container["volumeMounts"] if mount["name"] == "models")


def test_the_gateways_pods_follow_a_volume_that_tells_of_no_changes(tmp_path):
    (pod,) = [pod for name, pod in PODS if name == "Deployment gateway.yaml"]
    script = next(container for container in pod["containers"] if container["name"] == "follow")
    assert pod["initContainers"][0]["args"] == script["args"]
    places = {name: tmp_path / name.lower() for name in ("FROM", "TO")}
    for place in places.values():
        place.mkdir()
    for name in ("envoy.json", "routes.json"):
        (places["FROM"] / name).write_text("1")
    environment = {**os.environ, **{name: str(place) for name, place in places.items()}}
    words = [*script["command"], *script["args"]]
    subprocess.run(words, env=environment | {"ONCE": "yes"}, check=True, timeout=10)
    assert (places["TO"] / "envoy.json").read_text() == "1"
    process = subprocess.Popen(words, env=environment)
    try:
        (places["FROM"] / "routes.json").write_text("2")
        wait_until(lambda: (places["TO"] / "routes.json").read_text() == "2")
    finally:
        process.kill()
        process.wait()
    assert sorted(path.name for path in places["TO"].iterdir()) == ["envoy.json", "routes.json"]


def test_selectors_policies_and_budgets_mean_pods_that_exist():
    labels = {
        found["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for _, found in OBJECTS
        if found["kind"] in ("Deployment", "Job")
    }
    assert labels == {"models", "gateway", "release", "monitor"}
    selected = set(_values_of("app.kubernetes.io/name", [found["spec"] for _, found in OBJECTS if "spec" in found]))
    assert selected == labels
    targets = {
        found["spec"]["scaleTargetRef"]["name"] for _, found in OBJECTS if "scaleTargetRef" in found.get("spec", {})
    }
    assert targets == {"models"}


def _values_of(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in _values_of(key, item)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [found for item in value.values() for found in _values_of(key, item)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _TensorFlow(_Strict):
    """Of KServe's TFServingSpec (pkg/apis/serving/v1beta1/predictor_tfserving.go), with the container's fields."""

    storageUri: str
    runtimeVersion: str
    resources: dict[str, dict[str, str]]
    securityContext: dict[str, Any]


class _Predictor(_Strict):
    """Of KServe's PredictorSpec and ComponentExtensionSpec (component.go)."""

    minReplicas: int
    maxReplicas: int
    scaleMetric: str
    scaleTarget: int
    canaryTrafficPercent: int
    securityContext: dict[str, Any]
    tensorflow: _TensorFlow


class _Spec(_Strict):
    predictor: _Predictor


class _InferenceService(_Strict):
    apiVersion: str
    kind: str
    metadata: dict[str, Any]
    spec: _Spec


def test_the_kserve_alternative_fits_its_types():
    content = yaml.safe_load((FOLDER / "kserve/inferenceservice.yaml").read_text())
    found = _InferenceService.model_validate(content)
    assert (found.apiVersion, found.kind) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert (
        faults(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "spec": {
                    "containers": [
                        {
                            "name": "c",
                            "resources": found.spec.predictor.tensorflow.resources,
                            "securityContext": found.spec.predictor.tensorflow.securityContext,
                        }
                    ],
                    "securityContext": found.spec.predictor.securityContext,
                },
            }
        )
        == []
    )
