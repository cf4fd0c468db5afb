"""The workflow of continuous integration: no secret, the least rights, and commands that exist."""

import re
import subprocess

import yaml

from hilir.pipeline.cli.main import COMMANDS
from tests.conftest import ROOT

TEXT = (ROOT / ".github/workflows/deploy.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
JOBS = WORKFLOW["jobs"]
SCRIPTS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_the_order_and_the_rights():
    assert list(JOBS) == ["test", "terraform", "submit"]
    assert JOBS["submit"]["needs"] == ["test", "terraform"]
    assert "pull_request" in JOBS["submit"]["if"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [name for name, job in JOBS.items() if "id-token" in job.get("permissions", {})] == ["submit"]
    assert "secrets." not in TEXT
    assert all("timeout-minutes" in job for job in JOBS.values())


def test_the_scripts_are_shell_and_take_nothing_from_expressions():
    for script in SCRIPTS:
        # An expression in a script is text of somebody else that becomes a command.
        assert "${{" not in script
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_variable_of_a_script_is_set():
    (submit,) = [job for job in JOBS.values() if job.get("needs")]
    given = set(submit["env"]) | {name for step in submit["steps"] for name in step.get("env", {})}
    given |= {"PWD", "GITHUB_ENV", "GOOGLE_APPLICATION_CREDENTIALS"}
    used = {name for step in submit["steps"] for name in re.findall(r"\$\{?([A-Z_]+)", step.get("run", ""))}
    assert used <= given, used - given


def test_the_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = [target for script in SCRIPTS for target in re.findall(r"^make ([a-z-]+)", script, re.MULTILINE)]
    # `make docs` writes the generated pages, which a test compares: after the tests.
    assert used == ["check", "test", "docs", "image"]
    # `make image` is scripts/image.sh.
    assert set(used) <= targets
    assert set(re.findall(r"^\s*hilir (\S+)", "\n".join(SCRIPTS), re.MULTILINE)) == {"compile", "submit"} & set(
        COMMANDS
    )


def test_actions_are_pinned_by_commit_here_and_in_new_projects():
    """A tag can be moved to another commit by whoever owns the action."""
    written = (ROOT / "pipeline/project/writing/texts.py").read_text()
    used = re.findall(r"uses: (.*)", TEXT + written)
    assert len(used) >= 9
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v[\d.]+", action), action
    # One commit an action: whoever renews one finds the other.
    assert len(set(used)) == len({action.partition("@")[0] for action in used})
