"""The section `monitor` has one set of defaults."""

from __future__ import annotations

from hilir.pipeline.config import load
from hilir.serving.monitor.settings import MonitorSettings, read_project


def test_base_yaml_has_the_defaults_that_the_monitor_has():
    assert load("configs/digits.yaml").config.monitor == MonitorSettings()


def test_what_is_typed_wins(tmp_path):
    (tmp_path / "m.yaml").write_text("model: {name: m}\nserving: {root: r}\nmonitor: {log: a, listen: 'h:1'}\n")
    project = read_project(str(tmp_path / "m.yaml"), log="b", listen=None)
    assert (project.settings.log, project.settings.listen) == ("b", "h:1")
    assert str(project.versions) == "r/m"
