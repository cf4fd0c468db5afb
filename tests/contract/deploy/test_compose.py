"""The Compose file: its structure, and that our server takes TensorFlow Serving's place in it flag by flag."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from google.protobuf import text_format
from pydantic import BaseModel, ConfigDict
from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.client import GrpcClient, PredictionFailed
from tests.integration.release.place import Place, gateway_running
from tests.integration.release.versions import make_version
from tests.integration.serving.server_process import free_port, spawned

FOLDER = Path(__file__).parents[3] / "deploy/serving"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
MODEL = "digits"


class _Service(BaseModel):
    """Of the Compose specification (compose-spec.json), the fields that are used here."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: str
    profiles: list[str] = []
    restart: str
    read_only: bool
    cap_drop: list[str]
    security_opt: list[str]
    user: str
    tmpfs: list[str]
    logging: dict[str, Any]
    command: list[str] = []
    entrypoint: list[str] = []
    environment: dict[str, str] = {}
    volumes: list[str]
    ports: list[str]
    depends_on: dict[str, dict[str, str]] = {}
    healthcheck: dict[str, Any] = {}
    deploy: dict[str, Any] = {}
    stop_grace_period: str = ""


def test_what_needs_our_own_image_starts_only_when_it_is_asked_for():
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["outcomes", "monitor"]
    assert {tuple(SERVICES[name]["profiles"]) for name in ("outcomes", "monitor")} == {("monitor",)}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_fits_the_specification_and_is_not_root(name):
    service = _Service.model_validate(SERVICES[name])
    assert service.read_only
    assert service.cap_drop == ["ALL"]
    assert not service.user.startswith("0")
    # Only the gateway is for others, if that is asked for; the rest of the ports are for this machine.
    public = [port for port in service.ports if not port.startswith("127.0.0.1:")]
    assert public == (["${HILIR_GATEWAY_BIND:-127.0.0.1}:8080:8080"] if name == "gateway" else [])
    for volume in service.volumes:
        source = volume.split(":")[0]
        assert not source.startswith("./") or (FOLDER / source).exists(), volume
        assert source.startswith((".", "$")) or source in COMPOSE["volumes"], volume


def test_compose_and_kubernetes_start_the_same_servers():
    objects = list(yaml.safe_load_all((FOLDER / "kubernetes/models.yaml").read_text()))
    (deployment,) = [found for found in objects if found["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == SERVICES["models"]["command"]
    assert container["image"] in SERVICES["models"]["image"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Our server with the flags of the Compose file, its paths below a temporary folder, and a gateway."""
    folder = tmp_path_factory.mktemp("deploy")
    root = folder / "models"
    for number in (1, 2):
        make_version(root, number, model=MODEL)
    _release_offline(root)
    ports = {"8500": str(free_port()), "8501": str(free_port())}
    flags = [
        re.sub(r"=/config/", f"={FOLDER}/", flag)
        .replace("=/models/", f"={root}/")
        .replace("=8500", f"={ports['8500']}")
        .replace("=8501", f"={ports['8501']}")
        for flag in SERVICES["models"]["command"]
    ]
    with spawned(*flags) as server, gateway_running(root, [server.rest_port], [server.port], folder) as settings:
        found = Place(root, server, settings, folder)
        found.release("canary", 2, "--percent", 50, model=MODEL)
        for _ in range(20):
            assert found.ask(MODEL).status_code == 200
        with GrpcClient(settings.listen) as client:
            assert client.predict(MODEL, {"x": [[2.0]]}).version in (1, 2)
            with pytest.raises(PredictionFailed, match="INVALID_ARGUMENT"):
                client.predict(MODEL, {"none": [[2.0]]})
        yield found


def _release_offline(root: Path) -> None:
    from click.testing import CliRunner

    from hilir.serving.cli.release import release

    for words in (["stage", "1"], ["promote"]):
        result = CliRunner().invoke(release, [*words, "--offline", "--root", str(root)])
        assert result.exit_code == 0, result.exception


def test_our_server_starts_and_is_released_to_with_tensorflow_servings_flags(place):
    assert place.answering(MODEL, "/labels/stable") == 1
    assert place.answering(MODEL, "/labels/candidate") == 2
    text = (place.root / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    (policy,) = [entry.model_version_policy for entry in config if entry.name == MODEL]
    assert list(policy.specific.versions) == [1, 2]


def test_the_settings_of_the_gateway_are_settings(tmp_path):
    from hilir.serving.gateway.gateway_files import write_gateway
    from hilir.serving.gateway.runner import check_configuration
    from hilir.serving.gateway.settings import read_settings
    from hilir.serving.releases.release_store import Store

    settings = read_settings(FOLDER / "gateway.yaml")
    assert settings.rest == ("models:8501",)
    (tmp_path / "gateway").mkdir()
    folder = write_gateway(Store(tmp_path), settings)
    check_configuration(folder)
    bootstrap = json.loads((write_gateway(Store(tmp_path), settings, "/models") / "envoy.json").read_text())
    assert '"/models/gateway/routes.json"' in json.dumps(bootstrap)
    assert SERVICES["gateway"]["command"][1] == "/models/gateway/envoy.json"


@pytest.fixture(scope="module")
def metrics(place) -> str:
    server = requests.get(f"http://127.0.0.1:{place.server.rest_port}/monitoring/prometheus/metrics", timeout=10).text
    return server + requests.get(f"http://{place.settings.status}/stats/prometheus", timeout=10).text


RULES = FOLDER / "prometheus/rules.yml"
RECORDED = [
    rule["record"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
]


def expressions() -> list[str]:
    rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    panels = json.loads((FOLDER / "grafana/dashboards/serving.json").read_text())["panels"]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


def test_rules_and_dashboards_name_metrics_that_our_server_and_envoy_have(metrics):
    known = {match[1] for match in re.finditer(r"^# TYPE (\S+) (\S+)", metrics, re.M)}
    known |= {f"{name}_bucket" for name in known} | set(RECORDED) | {"up", "ALERTS"}
    named = {
        name
        for text in expressions()
        for name in re.findall(r"(?<![\w:])(?:hilir_|envoy_[a-z_]+|:tensorflow)[\w:]*(?=[\[{ )]|$)", text)
    }
    metric_labels = {"envoy_cluster_name", "envoy_http_conn_manager_prefix"}
    metric_labels |= {"envoy_response_code", "envoy_response_code_class"}
    assert len(named) > 10
    assert named - metric_labels - known == set()


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(
            f"{name} is not installed; type 'make setup-tools' (Debian's prometheus and prometheus-alertmanager)"
        )
    return path


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("promtool", ["check", "config", "prometheus/prometheus.yml"]),
        ("promtool", ["test", "rules", "prometheus/rules_test.yml"]),
        ("promtool", ["test", "rules", "prometheus/monitor_rules_test.yml"]),
        ("amtool", ["check-config", "alertmanager/alertmanager.yml"]),
    ],
)
def test_prometheus_and_alertmanager_accept_their_files(tool, words):
    done = subprocess.run([_tool(tool), *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_prometheus_computes_the_figures_from_our_server_and_envoy(place, tmp_path):
    """The rules as they are, over windows of seconds instead of minutes, on scraped metrics."""
    port = free_port()
    (tmp_path / "rules.yml").write_text(RULES.read_text().replace("[5m]", "[10s]"))
    scrapes = [
        {
            "job_name": "models",
            "metrics_path": "/monitoring/prometheus/metrics",
            "static_configs": [{"targets": [f"127.0.0.1:{place.server.rest_port}"]}],
        },
        {
            "job_name": "gateway",
            "metrics_path": "/stats/prometheus",
            "static_configs": [{"targets": [place.settings.status]}],
        },
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": scrapes,
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    words = [
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen([_tool("prometheus"), *words], stderr=subprocess.DEVNULL)
    try:
        missing = set(RECORDED)
        deadline = time.monotonic() + 40
        while missing and time.monotonic() < deadline:
            place.ask(MODEL)
            missing = {name for name in missing if not _query(port, name)}
        assert missing == set()
        rules = requests.get(f"http://127.0.0.1:{port}/api/v1/rules", timeout=10).json()["data"]["groups"]
        assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}
    finally:
        process.terminate()
        process.wait(20)


def _query(port: int, name: str) -> list[Any]:
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": name}, timeout=5)
        return answer.json()["data"]["result"]
    except (requests.RequestException, ValueError, KeyError):
        time.sleep(0.2)
        return []
