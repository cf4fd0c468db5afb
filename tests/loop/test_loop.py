"""The loop as one story: a shift, its alarm, a new version, its rollout and experiment, and a bad version's end."""

from __future__ import annotations

import json
import sys

import pytest

from tests.loop.processes import project_running
from tests.loop.shop import write_day, write_project
from tests.loop.small_versions import make_version, push_version
from tests.loop.story import ROLLOUT, describe, tell, verify, verify_notifications
from tests.notified import receiving


def rollout_options(running) -> list[str]:
    return [*ROLLOUT, "--server", f"http://{running.ports['rest']}", "--timeout", "60"]


def test_the_loop_closes_with_a_version_that_was_made_before(tmp_path):
    """The short form: what `hilir watch` starts pushes a version, without a training."""
    with project_running(tmp_path) as running, receiving(tmp_path) as (hook, received):
        program = json.dumps([sys.executable, "-m", "tests.loop.small_versions", str(running.root)])
        write_project(tmp_path, program, rollout_options(running), hook)
        running.root.mkdir(parents=True)
        make_version(running.root, 1, 0.0)
        push_version(running.root, 1)
        make_version(running.root, 2, 1.0)
        seen = tell(running, lambda: None, 180)
        print(describe(seen))
        verify(seen)
        verify_notifications(received())
        assert running.stop() == dict.fromkeys(("watch", "monitor", "gateway", "collector", "serve"), 0)


@pytest.mark.slow
@pytest.mark.pipeline
def test_the_loop_closes(tmp_path):
    """The whole: both versions are trained, evaluated and blessed by runs of the pipeline, the second under traffic."""
    with project_running(tmp_path) as running, receiving(tmp_path) as (hook, received):
        write_project(tmp_path, "[]", rollout_options(running), hook)
        assert json.loads(running.call("run", running.config.name, "--json").splitlines()[-1])["version"] == 1
        seen = tell(running, lambda: write_day(tmp_path, 2, 1.0), 400)
        print(describe(seen))
        verify(seen)
        verify_notifications(received())
        result = seen.run["attempts"][0]["result"]
        assert (result["version"], result["blessed"], result["metrics"]["accuracy"] > 0.9) == (2, True, True)
        manifest = json.loads((running.root / "parcels" / "2" / "manifest.json").read_text())
        assert manifest["data"]["span"] == 2
        assert running.stop() == dict.fromkeys(("watch", "monitor", "gateway", "collector", "serve"), 0)
