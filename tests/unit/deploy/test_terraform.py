"""The Terraform of Vertex AI: it parses, its references hold, and its roles are narrow."""

import re
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "deploy/vertex"
FILES = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.tf"))}
# Comments mention things that are not there.
TEXT = "\n".join(re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE) for text in FILES.values())
RESOURCES = set(re.findall(r'^resource "(\w+)" "(\w+)"', TEXT, re.MULTILINE))


def test_everything_is_there():
    kinds = {kind for kind, _ in RESOURCES}
    assert {
        "google_storage_bucket",
        "google_artifact_registry_repository",
        "google_service_account",
        "google_vertex_ai_endpoint",
        "google_cloud_scheduler_job",
        "google_cloudfunctions2_function",
        "google_iam_workload_identity_pool_provider",
    } <= kinds
    assert "google_service_account_key" not in kinds


def test_every_reference_leads_somewhere():
    used = set(re.findall(r"(?<![\w.\"/])(?<!data\.)(google_\w+)\.(\w+)", TEXT))
    assert used
    assert used <= RESOURCES, used - RESOURCES
    variables = set(re.findall(r'^variable "(\w+)"', TEXT, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", TEXT)) == variables


def test_no_role_is_broader_than_it_has_to_be():
    granted = set(re.findall(r'"(roles/[\w.]+)"', TEXT))
    assert granted == {
        "roles/aiplatform.user",
        "roles/artifactregistry.reader",
        "roles/artifactregistry.writer",
        "roles/dataflow.developer",
        "roles/dataflow.worker",
        "roles/iam.serviceAccountUser",
        "roles/iam.workloadIdentityUser",
        "roles/pubsub.publisher",
        "roles/run.invoker",
        "roles/storage.legacyBucketReader",
        "roles/storage.objectUser",
        "roles/storage.objectViewer",
    }
    # For the whole project: Vertex AI, Dataflow and our own role; all else is for one bucket, repository or account.
    blocks = re.findall(r'^resource "google_project_iam_member" "\w+" \{(.*?)^\}', TEXT, re.MULTILINE | re.DOTALL)
    roles = [re.search(r"role\s+= (.*)", block)[1] for block in blocks]
    assert sorted(roles) == [
        '"roles/aiplatform.user"',
        "each.value",
        "google_project_iam_custom_role.submitter.id",
        "google_project_iam_custom_role.submitter.id",
        "google_project_iam_custom_role.submitter.id",
    ]
    assert not re.search(r"allUsers|allAuthenticatedUsers|iam_(policy|binding)\b", TEXT)


def test_only_the_one_repository_and_branch_become_ci():
    condition = re.search(r"attribute_condition = \"(.*)\"", TEXT)[1]
    assert "assertion.repository_id == '${var.github.repository_id}'" in condition
    assert "assertion.ref == 'refs/heads/${var.github.branch}'" in condition


def test_outputs_say_which_key_takes_them():
    from hilir.pipeline.config import load

    vertex = load("configs/taxi.yaml").config.vertex.model_dump()
    for key in re.findall(r'description = "vertex\.([\w.]+)"', FILES["outputs.tf"]):
        place = vertex
        for part in key.split("."):
            assert part in place, f"vertex.{key} is no key of the configuration"
            place = place[part]


def test_account_of_deployed_models_reads_pushed_versions_only():
    grants = re.findall(r'^resource "(\w+_member)" "\w+" \{(.*?)^\}', TEXT, re.MULTILINE | re.DOTALL)
    own = [(kind, block) for kind, block in grants if "google_service_account.serving.member" in block]
    ((kind, block),) = own
    assert kind == "google_storage_bucket_iam_member"
    assert '"roles/storage.objectViewer"' in block
    assert "objects/models/" in block
    assert 'description = "vertex.push.service_account"\n  value       = google_service_account.serving' in TEXT


def test_what_dataflow_leaves_behind_is_deleted_and_nothing_else():
    from hilir.pipeline.config import load
    from hilir.pipeline.engine.dataflow import list_dataflow_options

    settings = ["vertex.project=p", "vertex.bucket=my-bucket"]
    arguments = list_dataflow_options(load("configs/taxi.yaml", settings=settings).config, "image")
    prefix = r"--(?:temp|staging)_location=gs://my-bucket/(.*)"
    written = {f"{found[1]}/" for argument in arguments if (found := re.fullmatch(prefix, argument))}
    assert len(written) == 2
    deleted = re.search(r"matches_prefix = \[(.*)\]", FILES["storage.tf"])[1]
    assert set(re.findall('"([^"]+)"', deleted)) == written


def test_endpoint_logs_requests_where_it_is_wanted():
    block = re.search(
        r'dynamic "predict_request_response_logging_config" \{(.*?)^  \}',
        FILES["endpoint.tf"],
        re.MULTILINE | re.DOTALL,
    )[1]
    assert "var.request_log == null ? []" in block
    assert re.search(r"enabled +=  *true", block)
    assert {"table", "sampling"} == set(re.findall(r"_config\.value\.(\w+)", block))


def test_the_files_are_hcl():
    hcl2 = pytest.importorskip("hcl2", reason="python-hcl2 is not in this environment")
    for name, text in FILES.items():
        assert hcl2.loads(text), name


def test_terraform_finds_them_well_formed():
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on this machine")
    done = subprocess.run(
        ["terraform", f"-chdir={FOLDER}", "fmt", "-check", "-diff"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
