"""The image: what the Dockerfile says fits the lock files and the folders, and its scripts do what they should."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def locked(name: str) -> str:
    return re.search(rf"^{name}==(\S+)", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)[1]


def argument(name: str) -> str:
    return re.search(rf"^ARG {name}=(\S+)", DOCKERFILE, re.MULTILINE)[1]


def test_the_bases_fit_the_lock_file():
    assert argument("BEAM_IMAGE") == f"apache/beam_python3.11_sdk:{locked('apache-beam')}"
    base = re.search('image.base.name="(.*)"', DOCKERFILE)[1]
    assert argument("PYTHON_IMAGE").split("@") == [base, "sha256:" + argument("PYTHON_IMAGE")[-64:]]
    assert f"ARG VERSION={re.search('version=.(.*).,', (ROOT / 'setup.py').read_text())[1]}\n" in DOCKERFILE


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_images_have_the_versions_of_the_lock_file(device):
    def versions(name: str) -> set[str]:
        lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    more = versions(f"image-{device}") - versions("runtime")
    assert versions("runtime") <= versions(f"image-{device}")
    if device == "cpu":
        assert more == {f"tensorflow-cpu=={locked('tensorflow')}"}
    else:
        assert more
        assert all(each.startswith("nvidia-") for each in more)
    assert argument("DEVICE") == "cpu"


def test_the_stages_that_stay_run_as_nobody_special_and_build_nothing():
    steps, image = STAGES[-2:]
    assert steps.startswith("${PYTHON_IMAGE} AS steps\n")
    assert image.startswith("steps AS image\n")
    for stage in (steps, image):
        assert re.findall(r"^USER (\S+)", stage, re.MULTILINE)[-1] == "hilir"
        # The check is made by the user that the image has.
        assert stage.index("USER hilir") < stage.index("python image/check.py")
        assert not re.search(r"g\+\+|npm|pip install|uv pip", stage)
    assert "hilir doctor" in steps
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in steps
    assert DOCKERFILE.count("--require-hashes") == 3
    assert DOCKERFILE.count("--compile-bytecode") == 2


def test_what_is_copied_exists_and_is_sent_to_the_builder():
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in [word for word in line.split() if not word.startswith("--")][:-1]
        for source in {source.replace("${DEVICE}", device) for device in ("cpu", "gpu")}
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert any(path in (ROOT / source, *(ROOT / source).parents) for name in sent for path in ROOT.glob(name)), (
            source
        )


def test_the_builder_gets_every_file_that_the_wheel_has_by_a_link():
    (code,) = [stage for stage in STAGES if stage.startswith("environment AS code\n")]
    copied = [
        ROOT / source for line in re.findall(r"^COPY (.*)$", code, re.MULTILINE) for source in line.split(" ")[:-1]
    ]
    links = [path for folder in ("src", "pipeline") for path in (ROOT / folder).rglob("*") if path.is_symlink()]
    assert len(links) >= 12
    for link in links:
        assert any(link.resolve().is_relative_to(source) for source in copied), link


def test_the_image_installs_the_wheel_and_its_folder_is_a_project():
    (code,) = [stage for stage in STAGES if stage.startswith("environment AS code\n")]
    assert "--no-index ." in code
    assert "editable" not in DOCKERFILE
    assert "cp -a configs models /overlay/" in code
    steps, image = STAGES[-2:]
    assert "PYTHONPATH=/opt/hilir " in steps
    # The folders of `hilir.setup.folders.find_folder`; only a complete one counts.
    assert "HILIR_TOOLS=/opt/hilir/tools " in steps
    assert "/opt/hilir/tools/tfjs tools/tfjs" in image
    assert "/opt/hilir/tools/browser tools/browser" in image
    assert "touch tools/tfjs/.complete" in DOCKERFILE
    assert "cd tools/browser && " in DOCKERFILE
    assert DOCKERFILE.count("&& touch .complete") == 1


def run(*arguments, **options):
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, **options)


def test_the_entrypoint_runs_a_command_and_gives_options_to_beam():
    script = str(ROOT / "deploy/image/entrypoint.sh")
    assert run("sh", script, "sh", "-c", "echo $0 $1; exit 7", "a", "b").stdout == "a b\n"
    assert run("sh", script, "sh", "-c", "exit 7").returncode == 7
    if not os.path.exists("/opt/apache/beam/boot"):
        done = run("sh", script, "--id=1", "--control_endpoint=localhost:1")
        assert done.returncode == 127
        assert "/opt/apache/beam/boot" in done.stderr


@pytest.fixture
def engine(tmp_path):
    """Makes a program that stands on the PATH under an engine's name and writes down how it is called."""

    def make(name, works=True):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\n[ "$1" = info ] && exit {0 if works else 1}\nprintf "%s\\n" "$0" "$@" > {tmp_path}/called\n'
        )
        program.chmod(0o755)

    return make


def build(tmp_path, *arguments, **environment):
    tools = {"bash", "sh", "sed", "git", "date", "dirname"}
    for tool in tools:
        link = tmp_path / tool
        link.unlink(missing_ok=True)
        link.symlink_to(run("which", tool).stdout.strip())
    variables = {"PATH": str(tmp_path), "HOME": str(tmp_path)} | environment
    return run(str(ROOT / "scripts/image.sh"), *arguments, env=variables)


def test_the_first_engine_that_works_builds(tmp_path, engine):
    engine("docker", works=False)
    engine("buildah")
    done = build(tmp_path, "--no-cache", HILIR_IMAGE="r/hilir:1", HILIR_REGISTRY="mirror.example")
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "called").read_text().splitlines()
    assert called[0].endswith("/buildah")
    assert called[1:3] == ["build", "--layers"]
    assert called[-4:] == ["--tag", "r/hilir:1", "--no-cache", "."]
    assert f"PYTHON_IMAGE=mirror.example/library/{argument('PYTHON_IMAGE')}" in called
    assert f"BEAM_IMAGE=mirror.example/{argument('BEAM_IMAGE')}" in called
    assert "DEVICE=cpu" in called
    assert any(re.fullmatch(r"REVISION=([0-9a-f]{40}\+?|unknown)", word) for word in called)


def test_the_image_for_gpus_has_a_name_of_its_own(tmp_path, engine):
    engine("docker")
    assert build(tmp_path, DEVICE="gpu").returncode == 0
    called = (tmp_path / "called").read_text().splitlines()
    assert "DEVICE=gpu" in called
    assert called[called.index("--tag") + 1] == f"hilir:{argument('VERSION')}-gpu"
    done = build(tmp_path, DEVICE="tpu")
    assert done.returncode == 3
    assert "DEVICE is 'tpu'; it must be cpu or gpu" in done.stderr


def test_without_an_engine_the_user_is_told_what_to_install(tmp_path, engine):
    engine("docker", works=False)
    done = build(tmp_path)
    assert done.returncode == 3
    assert "none of docker, podman, buildah is here and works. Install one" in done.stderr


def test_the_bill_of_materials_lists_every_distribution_once():
    done = run(sys.executable, str(ROOT / "deploy/image/sbom.py"), sys.prefix)
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {component["bom-ref"]: component for component in bill["components"]}
    assert len(components) == len(bill["components"])
    assert components[f"pkg:pypi/apache-beam@{locked('apache-beam')}"]["licenses"]
    assert components[f"pkg:pypi/tf-keras@{locked('tf-keras')}"]["properties"] == [
        {"name": "hilir:environment", "value": os.path.basename(sys.prefix)}
    ]
    for component in bill["components"]:
        assert set(component) <= {"type", "bom-ref", "name", "version", "purl", "properties", "licenses"}
        assert component["version"]
        assert component["purl"].startswith(("pkg:pypi/", "pkg:deb/debian/"))
