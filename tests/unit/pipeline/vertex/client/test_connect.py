"""Where requests go, and what goes with them."""

import re

import pytest
from pydantic import ValidationError

from hilir.components.vertex.connection import Connection, check_address
from hilir.components.vertex.errors import NotFound, Outdated, QuotaRefused, VertexError
from hilir.components.vertex.retry import translate
from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.config import load
from hilir.pipeline.config.target import make_target
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.client import connect


@pytest.mark.parametrize(
    ("address", "emulated"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:1", True),
        ("http://[::1]:8080", True),
        ("https://europe-west4-aiplatform.googleapis.com", False),
        ("https://europe-west4-aiplatform.p.googleapis.com", False),
    ],
)
def test_only_google_gets_credentials(address, emulated):
    assert check_address(address) is emulated


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com:80", "https://example.com", "https://googleapis.com.example.com", "http://127.0.0.1",
        "https://evil.com/?.googleapis.com", "http://user@127.0.0.1:1", "http://10.0.0.1:80", "127.0.0.1:8080",
        "http://europe-west4-aiplatform.googleapis.com:80", "https://notgoogleapis.com",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match=r"no credentials are sent anywhere else|is not of the form"):
        check_address(address)
    with pytest.raises(ConfigError, match=r"vertex\.endpoint"):
        load("configs/taxi.yaml", settings=[f"vertex.endpoint={address}"])


@pytest.mark.parametrize(
    "region",
    [
        "evil.example/",
        "evil.example:443#",
        "europe-west4.evil.example",
        "europe-west4\n",
        "a@b-c1",
        "",
        "europe",
        "global",
    ],
)
def test_nothing_but_a_region_stands_in_the_host(region):
    told = rf"'{re.escape(region)}' is not the name of a region of Google Cloud, for example europe-west4"
    with pytest.raises(VertexError, match=told + "; nothing was sent; give one as vertex.region"):
        Connection("p", region)
    config = load("configs/taxi.yaml", settings=["vertex.project=p"]).config
    with pytest.raises(ValidationError, match=told):
        Target.model_validate(make_target(config).model_dump() | {"region": region})


@pytest.mark.parametrize("region", ["evil.example/", "europe-west4.evil.example", "a@b-c1", "europe"])
def test_configuration_with_another_region_is_refused(region):
    with pytest.raises(ConfigError, match=rf"vertex\.region.*'{region}' is not the name of a region"):
        load("configs/taxi.yaml", settings=[f"vertex.region={region}"])
    with pytest.raises(ConfigError, match=r"vertex\.region"):
        connect.load_vertex(None, [], [f"vertex.region={region}"])


@pytest.mark.parametrize("region", ["evil.example:443", "evil.example#", "europe-west4.evil.example"])
def test_region_in_the_name_of_a_resource_is_one_too(region):
    vertex = connect.load_vertex(None, [], ["vertex.project=p"])
    with pytest.raises(
        VertexError, match=f"'{region}' is not the name of a region of Google Cloud.*; nothing was sent"
    ):
        connect.connect_to(vertex, f"projects/x/locations/{region}/pipelineJobs/j")


@pytest.mark.parametrize("region", ["us-central1", "northamerica-northeast2", "me-central2", "europe-west12"])
def test_regions_are_taken(region):
    assert load("configs/taxi.yaml", settings=[f"vertex.region={region}"]).config.vertex.region == region


def test_the_cloud_is_reached_by_grpc_in_its_region(monkeypatch):
    from google.auth.credentials import AnonymousCredentials

    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), "p"))
    client = Connection("p", "europe-west4").client("pipelines")
    assert client.transport.kind == "grpc"
    assert client.transport.host == "europe-west4-aiplatform.googleapis.com:443"


def test_without_credentials_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(VertexError, match="type 'gcloud auth application-default login'"):
        Connection("p", "europe-west4").client("pipelines")


def test_project_of_configuration_then_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-environment")
    assert connect.find_project(connect.load_vertex(None, [], ["vertex.project=given"])) == "given"
    assert connect.find_project(connect.load_vertex(None, [], [])) == "from-environment"
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(ConfigError, match="GOOGLE_CLOUD_PROJECT is not set"):
        connect.find_project(connect.load_vertex(None, [], []), ask=False)


def test_full_name_says_project_and_region():
    vertex = connect.load_vertex(None, [], ["vertex.project=p"])
    assert connect.connect_to(vertex, "projects/x/locations/asia-east1/pipelineJobs/j").parent == (
        "projects/x/locations/asia-east1"
    )
    assert connect.connect_to(vertex, "j").parent == "projects/p/locations/us-central1"


def test_section_alone_can_be_read_from_an_overlay_for_models(monkeypatch):
    monkeypatch.setenv("HILIR_BUCKET", "my-bucket")
    monkeypatch.setenv("HILIR_IMAGE", "i:1")
    assert connect.load_vertex(None, ["configs/overlays/vertex.yaml"], []).bucket == "my-bucket"
    with pytest.raises(ConfigError, match="region"):
        connect.load_vertex(None, [], ["vertex.regoin=x"])


def test_push_needs_the_project_in_the_configuration():
    with pytest.raises(ConfigError, match="the step that pushes needs it"):
        load("configs/taxi.yaml", settings=["vertex.push.enabled=true"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("vertex.push.keep_versions=1", "greater than or equal to 2"),
        ("vertex.push.traffic=101", "less than or equal to 100"),
        ("vertex.push.model=1st", "vertex.push.model"),
        ("vertex.batch.source=[data/x.jsonl]", "'data/x.jsonl' is not the gs://… path"),
        ("vertex.push.max_replicas=0", "vertex.push.max_replicas"),
        ("vertex.monitoring.cron=every day", "vertex.monitoring.cron: is 'every day', which has 2 fields"),
        ("vertex.monitoring.cron=0 25 * * *", "vertex.monitoring.cron: is '0 25 .*bad hour"),
        ("vertex.monitoring.cron=TZ=Asia/Djakarta 0 6 * * *", "names the time zone 'Asia/Djakarta', which does not"),
    ],
)
def test_settings_that_vertex_would_refuse_are_refused_here(setting, message):
    with pytest.raises(ConfigError, match=message):
        load("configs/taxi.yaml", settings=[setting])


def test_monitoring_takes_a_schedule_with_a_time_zone():
    monitoring = load(
        "configs/taxi.yaml", settings=["vertex.monitoring.cron=TZ=Asia/Jakarta 0 6 * * 1-5"]
    ).config.vertex
    assert monitoring.monitoring.cron == "TZ=Asia/Jakarta 0 6 * * 1-5"


def test_endpoint_may_be_a_number():
    config = load("configs/taxi.yaml", settings=["vertex.push.endpoint=1234567890", "vertex.project=p"]).config
    assert make_target(config).endpoint == "1234567890"


def test_account_of_deployed_versions_reaches_the_step():
    settings = [
        "vertex.project=p",
        "vertex.service_account=steps@p.iam.gserviceaccount.com",
        "vertex.push.service_account=serving@p.iam.gserviceaccount.com",
    ]
    target = make_target(load("configs/taxi.yaml", settings=settings).config)
    assert (target.service_account, target.push.service_account) == (
        "steps@p.iam.gserviceaccount.com",
        "serving@p.iam.gserviceaccount.com",
    )


def test_name_of_a_model_that_cannot_be_an_id():
    config = load("configs/taxi.yaml", settings=["model.name=3d", "vertex.project=p"]).config
    with pytest.raises(ConfigError, match=r"vertex\.push\.model: the name of the model, '3d', cannot be its id"):
        make_target(config)


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("NotFound", "gone", NotFound),
        ("Aborted", "etag", Outdated),
        ("FailedPrecondition", "the etag does not match", Outdated),
        ("ResourceExhausted", "Quota exceeded", QuotaRefused),
        ("PermissionDenied", "no", VertexError),
        ("Unauthenticated", "no", VertexError),
        ("InvalidArgument", "no", VertexError),
    ],
)
def test_each_refusal_has_its_error(name, message, kind):
    from google.api_core import exceptions

    error = translate("do it", getattr(exceptions, name)(message))
    assert type(error) is kind
    assert str(error).startswith("could not do it: ")


def test_a_bug_stays_a_bug():
    with pytest.raises(KeyError):
        raise translate("do it", KeyError("x"))
