"""The monitor's services of the Compose and Kubernetes files: their own commands, run with paths of this machine."""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import ROOT
from tests.integration.release.versions import make_version
from tests.integration.serving.server_process import free_port, wait_until

FOLDER = ROOT / "deploy/serving"
SERVICES = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
OBJECTS = list(yaml.safe_load_all((FOLDER / "kubernetes/monitor.yaml").read_text()))
(POD,) = [found["spec"]["template"]["spec"] for found in OBJECTS if found["kind"] == "Deployment"]
CONTAINERS = {container["name"]: container for container in POD["containers"]}
(CONFIG,) = [found["data"]["project.yaml"] for found in OBJECTS if found["kind"] == "ConfigMap"]
LINE = '{"time": 1.8e9, "request_id": "r", "model": "digits", "version": 1, "inputs": {}, "outputs": {"y": [[1.0]]}}\n'


def in_compose(_folder: Path) -> dict[str, list[str]]:
    """Returns the commands with what Compose puts in place of its variables."""
    config = str(ROOT / "configs/digits.yaml")

    def fill(word: str) -> str:
        return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word).replace("/config/project.yaml", config)

    return {name: [fill(word) for word in SERVICES[name]["command"]] for name in ("outcomes", "monitor")}


def in_kubernetes(folder: Path) -> dict[str, list[str]]:
    """Returns the commands with the volumes as folders here."""
    names = {"/log/": "out/log/", "/state/": "out/", "/models": "out/models"}

    def move(text: str) -> str:
        return re.sub(r"/log/|/state/|/models", lambda found: names[found[0]], text)

    (folder / "project.yaml").write_text(move(CONFIG))
    return {
        name: [move(word).replace("/config/", f"{folder}/") for word in (*container["command"], *container["args"])]
        for name, container in CONTAINERS.items()
    }


@pytest.mark.parametrize("commands", [in_compose, in_kubernetes])
def test_outcomes_are_taken_and_the_log_is_followed(commands, tmp_path):
    make_version(tmp_path / "out/models", 1, model="digits")
    (tmp_path / "out/log").mkdir()
    (tmp_path / "out/log/requests.jsonl").write_text(LINE)
    found = commands(tmp_path)
    ports = {"8650": free_port(), "8601": free_port()}

    def start(words: list[str]) -> subprocess.Popen[bytes]:
        assert words[0] == "hilir"
        program = [re.sub(r"^0\.0\.0\.0:(\d+)$", lambda at: f"127.0.0.1:{ports[at[1]]}", word) for word in words[1:]]
        return subprocess.Popen([sys.executable, "-m", "hilir.pipeline.cli", *program], cwd=tmp_path)

    if (tmp_path / "project.yaml").exists():
        text = (tmp_path / "project.yaml").read_text()
        (tmp_path / "project.yaml").write_text(text.replace("0.0.0.0:8601", f"127.0.0.1:{ports['8601']}"))
    with ExitStack() as stack:
        for words in found.values():
            process = start(words)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        wait_until(lambda: answer(ports["8650"], "/readyz") == "ready\n", 30)
        sent = requests.post(
            f"http://127.0.0.1:{ports['8650']}/v1/outcomes",
            json={"outcomes": [{"id": "r#0", "name": "label", "value": 1}]},
            timeout=10,
        )
        assert sent.status_code == 200, sent.text
        wait_until(lambda: re.search(r"^hilir_monitor_rows\S* 1", answer(ports["8601"], "/"), re.M), 30)
    assert (tmp_path / "out/outcomes.sqlite").is_file()
    assert (tmp_path / "out/monitor/digits").is_dir()


def answer(port: int, path: str) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).text
    except requests.ConnectionError:
        return ""


def test_the_image_and_the_probes_are_those_of_both():
    version = re.search(r"ARG VERSION=(\S+)", (ROOT / "Dockerfile").read_text())[1]
    assert {container["image"] for container in POD["containers"]} == {f"hilir:{version}"}
    for name in ("outcomes", "monitor"):
        assert SERVICES[name]["image"] == f"${{HILIR_IMAGE:-hilir:{version}}}"
        assert SERVICES[name]["ports"][0].split(":")[-1] == str(CONTAINERS[name]["ports"][0]["containerPort"])
        assert SERVICES[name]["ports"][0].split(":")[-1] in SERVICES[name]["healthcheck"]["test"][-1]
    # The paths of the Compose file are relative to the image's folder of work.
    assert {volume.split(":")[-1] for volume in SERVICES["outcomes"]["volumes"]} == {"/opt/hilir/out", "ro"}
    assert "WORKDIR /opt/hilir" in (ROOT / "Dockerfile").read_text()
