"""What a configuration turns into, and what is wrong with one, all at once."""

import sys

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.triggers.daemon.build_daemon import (
    make_environment,
    make_program,
    make_triggers,
    require_watchable,
    state_folder,
)
from hilir.pipeline.triggers.daemon.daemon_state import State


def config(*settings):
    return load("configs/digits.yaml", settings=settings).config


def test_every_trigger(tmp_path, monkeypatch):
    monkeypatch.setenv("HILIR_WATCH_TOKEN", "0123456789abcdef")
    found = config(
        "watch.cron='0 3 * * *'",
        "watch.data={marker: _SUCCESS}",
        "data.pattern=day-{SPAN}/*.tfrecord",
        "watch.max_age_hours=168",
        "watch.drift={level: warn}",
        "watch.quality={}",
        "watch.http={port: 0}",
    )
    require_watchable(found)
    names = [trigger.name for trigger in make_triggers(found, State(tmp_path))]
    assert names == ["cron", "data", "age", "drift", "quality", "call"]
    assert str(state_folder(found)) == "out/watch/digits"


def test_all_faults_at_once(monkeypatch):
    monkeypatch.delenv("HILIR_WATCH_TOKEN", raising=False)
    settings = ["watch.data={}", "data.path=gs://b/d", "serving.root=gs://b/m", "watch.http={}"]
    with pytest.raises(ConfigError) as error:
        require_watchable(config(*settings))
    keys = [fault.split(" ")[0].rstrip(":") for fault in error.value.faults]
    assert keys == ["data.path", "data.pattern", "serving.root", "watch.http.token"]


def test_no_trigger_is_a_fault():
    with pytest.raises(ConfigError, match="has no trigger"):
        require_watchable(config())


def test_a_marker_that_is_data_is_a_fault():
    with pytest.raises(ConfigError, match="is '_SUCCESS', which data"):
        require_watchable(config("watch.data={marker: _SUCCESS}", "data.pattern=day-{SPAN}/*"))


def test_a_state_on_an_object_store_is_refused():
    with pytest.raises(ConfigError, match="needs a folder of this machine"):
        state_folder(config("watch.state=gs://b/w"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("watch.cron='0 25 * * *'", "watch.cron: is '0 25 * * *'"),
        ("watch.queue=latest", "watch.queue"),
        ("watch.runs_a_day=0", "watch.runs_a_day"),
        ("watch.backoff.factor=0.5", "watch.backoff.factor"),
        ("watch.data={markers: x}", "watch.data.markers: there is no such key; did you mean 'marker'?"),
    ],
)
def test_wrong_values(setting, message):
    with pytest.raises(ConfigError) as error:
        config(setting)
    assert message in str(error.value)


def test_a_run_gets_no_token_but_the_secrets_of_its_notifications(monkeypatch):
    for name in ("HILIR_WATCH_TOKEN", "CALLS", "SIGNATURE", "PGPASSWORD"):
        monkeypatch.setenv(name, name)
    names = {"HILIR_WATCH_TOKEN", "CALLS", "SIGNATURE", "PGPASSWORD"}
    notify = "notify=[{webhook: https://example.com, secret: SIGNATURE}]"
    assert names - make_environment(config(notify)).keys() == {"HILIR_WATCH_TOKEN"}
    assert names - make_environment(config("watch.http={token: CALLS}", notify)).keys() == {
        "HILIR_WATCH_TOKEN", "CALLS"
    }  # fmt: skip
    # One secret for both: without it the run could not sign.
    assert "SIGNATURE" in make_environment(config("watch.http={token: SIGNATURE}", notify))


def test_a_run_is_what_the_watcher_was_given():
    run = make_program(config(), "configs/digits.yaml", ["a.yaml"], ["train.epochs=1"])
    assert run[:4] == [sys.executable, "-m", "hilir.pipeline.cli", "run"]
    assert run[4:] == ["configs/digits.yaml", "--overlay", "a.yaml", "--set", "train.epochs=1", "--json"]
    submit = config("watch.program=[hilir, submit, configs/digits.yaml]")
    assert make_program(submit, "configs/digits.yaml", [], []) == ["hilir", "submit", "configs/digits.yaml"]
