"""The systemd unit and the Kubernetes files: every key exists, and they do what they say."""

import configparser
import re
import shutil
import subprocess

import pytest
import yaml

from hilir.pipeline.cli.main import _run
from tests.conftest import ROOT

UNIT = ROOT / "deploy/local/hilir-watch@.service"
MONITOR = ROOT / "deploy/local/hilir-monitor@.service"


def read_unit(path=UNIT) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    unit.optionxform = str
    unit.read(path)
    return unit


def test_the_service_lets_a_run_go_on_and_gives_up_on_a_wrong_configuration():
    service = read_unit()["Service"]
    assert service["ExecStart"] == "/opt/hilir/.venv/bin/hilir watch configs/%i.yaml"
    assert (service["KillMode"], service["Restart"]) == ("process", "on-failure")
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert service["User"] == "hilir"
    # What a run writes below the project has to be writable, and nothing else.
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"].split() == ["/opt/hilir/out", "/opt/hilir/runs", "/opt/hilir/data"]


def test_the_monitor_gives_up_on_a_wrong_configuration(capsys):
    service = read_unit(MONITOR)["Service"]
    assert service["ExecStart"] == "/opt/hilir/.venv/bin/hilir monitor run configs/%i.yaml"
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    assert (service["ProtectSystem"], service["ReadWritePaths"]) == ("strict", "/opt/hilir/out")
    assert _run(["monitor", "run", "configs/nobody.yaml"]) == 3
    assert "cannot be read" in capsys.readouterr().err


def test_a_wrong_configuration_ends_with_the_code_that_the_service_gives_up_on(capsys):
    assert _run(["watch", "configs/taxi.yaml"]) == 3
    assert "has no trigger" in capsys.readouterr().err


@pytest.mark.parametrize("unit", [UNIT, MONITOR], ids=["watch", "monitor"])
def test_systemd_accepts_the_unit(tmp_path, unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    copy = tmp_path / unit.name.replace("@", "@taxi")
    # Its own check wants the program to exist.
    copy.write_text(unit.read_text().replace("/opt/hilir/.venv/bin/hilir", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert copy.name not in done.stderr, done.stderr


DOCUMENTS = list(yaml.safe_load_all((ROOT / "deploy/local/cronjob.yaml").read_text()))
VOLUME, CRONJOB = DOCUMENTS


def check(value, kind: str, place: str) -> None:
    """Checks a value against the models of the Kubernetes client, which name every field there is."""
    from kubernetes.client import models

    if kind.startswith("list["):
        for number, item in enumerate(value):
            check(item, kind[5:-1], f"{place}[{number}]")
    elif kind.startswith("dict("):
        assert isinstance(value, dict), place
        for name, item in value.items():
            check(item, kind[5:-1].partition(", ")[2], f"{place}.{name}")
    elif hasattr(models, kind):
        model = getattr(models, kind)
        types = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        assert set(value) <= set(types), (place, set(value) - set(types))
        for name, item in value.items():
            check(item, types[name], f"{place}.{name}")
    elif kind in ("str", "int", "bool"):
        assert type(value).__name__ == kind, (place, value)


def test_every_field_is_one_of_kubernetes():
    assert (VOLUME["kind"], CRONJOB["kind"]) == ("PersistentVolumeClaim", "CronJob")
    check(VOLUME, "V1PersistentVolumeClaim", "volume")
    check(CRONJOB, "V1CronJob", "cronjob")
    with pytest.raises(AssertionError):
        check(CRONJOB | {"specs": {}}, "V1CronJob", "cronjob")


def test_the_job_runs_alone_as_nobody_special_where_it_may_write():
    spec = CRONJOB["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"--uid {pod['securityContext']['runAsUser']}" in dockerfile
    assert f"hilir:{dockerfile.split('ARG VERSION=')[1].split()[0]}" == container["image"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/opt/hilir/out", "/opt/hilir/runs", "/opt/hilir/data", "/tmp"} <= mounts
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert VOLUME["metadata"]["name"] in {
        volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume
    }
    rules = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [2, 3]}
    assert _run([container["command"][1], "--help"]) == 0


def test_images_are_pinned_by_digest_but_for_those_that_the_documents_name():
    """A tag can be moved to another image by whoever may push; what is not pinned is said in docs/security.md."""
    files = [ROOT / "Dockerfile", *sorted((ROOT / "deploy/serving").rglob("*.yaml"))]
    named = {
        image
        for file in files
        for image in re.findall(
            r"(?:^ARG \w+_IMAGE=|image: (?:&\w+ )?(?:\$\{\w+:-)?)([\w./-]+[:@][^}\s]+)", file.read_text(), re.M
        )
    }
    assert {re.split("[:@]", image)[0] for image in named if "@sha256:" not in image} == {
        "apache/beam_python3.11_sdk",
        "envoyproxy/envoy",
        "hilir",
        "tensorflow/serving",
    }
    assert len(pinned := [image for image in named if "@" in image]) == 4
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in pinned)
