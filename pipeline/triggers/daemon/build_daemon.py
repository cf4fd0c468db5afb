"""Makes the triggers, the rules and the command of a run from a configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hilir.components.example_gen.spans import has_span
from hilir.pipeline.config.data_path import is_remote, locate
from hilir.pipeline.config.schema import Config
from hilir.pipeline.config.watch import HttpWatchSection
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.firing_policy import Limits
from hilir.pipeline.triggers.sources.age import ModelAge
from hilir.pipeline.triggers.sources.call_server import make_call_app
from hilir.pipeline.triggers.sources.calls import Calls
from hilir.pipeline.triggers.sources.cron_schedule import CronTrigger
from hilir.pipeline.triggers.sources.drift_alarm import Drift
from hilir.pipeline.triggers.sources.new_data import NewData
from hilir.pipeline.triggers.sources.new_spans import marker_pattern
from hilir.pipeline.triggers.sources.payload import Trigger
from hilir.pipeline.triggers.sources.quality_loss import Quality
from hilir.serving.web import HostGate, WebServer

_SHORTEST_TOKEN = 16


def state_folder(config: Config) -> Path:
    """Returns where the state of the model's watcher is.

    Raises:
        ConfigError: watch.state is on an object store.
    """
    if is_remote(config.watch.state):
        raise ConfigError(f"watch.state '{config.watch.state}': SQLite needs a folder of this machine; give one")
    return Path(config.watch.state) / config.model.name


def monitor_folder(config: Config) -> Path:
    """Returns where `hilir monitor run` keeps what it found about the model."""
    return Path(config.monitor.state) / config.model.name


def require_watchable(config: Config) -> None:
    """Checks that the triggers can work.

    Raises:
        ConfigError: with everything that is in the way.
    """
    faults = list(_faults(config))
    if faults:
        raise ConfigError(faults)


def make_triggers(config: Config, state: State) -> list[Trigger]:
    """Returns the triggers that the configuration names."""
    watch = config.watch
    model = Path(config.serving.root) / config.model.name
    triggers: list[Trigger] = []
    if watch.cron is not None:
        triggers.append(CronTrigger(watch.cron))
    if watch.data is not None:
        folder, pattern = locate(config.data.path, config.data.pattern)
        triggers.append(
            NewData(
                Path(folder),
                pattern,
                model,
                every=watch.data.every_seconds,
                stable=watch.data.stable_seconds,
                marker=watch.data.marker,
            )
        )
    if watch.max_age_hours is not None:
        triggers.append(ModelAge(model, watch.max_age_hours))
    if watch.drift is not None:
        drift = watch.drift
        triggers.append(Drift(model, monitor_folder(config), drift.level, drift.windows, drift.quiet_hours))
    if watch.quality is not None:
        quality = watch.quality
        triggers.append(Quality(model, monitor_folder(config), quality.kind, quality.windows, quality.quiet_hours))
    if watch.http is not None:
        triggers.append(Calls(state))
    return triggers


def make_server(
    config: Config, state: State, describe: Callable[[], dict[str, object]], is_healthy: Callable[[], bool]
) -> WebServer | None:
    """Returns the server that takes calls, bound and not yet serving; None where there is to be none.

    Raises:
        ConfigError: the address is taken.
    """
    http = config.watch.http
    if http is None:
        return None
    try:
        app = make_call_app(os.environ[http.token], state, describe, is_healthy)
        return WebServer(HostGate(app, http.host), (http.host, http.port))
    except OSError as error:
        raise ConfigError(
            f"watch.http: {http.host}:{http.port} cannot be listened to ({error.strerror}); give another host or port"
        ) from None


def make_limits(config: Config) -> Limits:
    """Returns the rules of the queue."""
    watch = config.watch
    return Limits(
        queue=watch.queue,
        debounce=watch.debounce_seconds,
        runs_a_day=watch.runs_a_day,
        backoff=watch.backoff.seconds,
        backoff_factor=watch.backoff.factor,
        max_backoff=watch.backoff.max_seconds,
        attempts=watch.backoff.attempts,
    )


def make_program(config: Config, path: str, overlays: Sequence[str], settings: Sequence[str]) -> list[str]:
    """Returns the command of a run: watch.program, or `hilir run` with what `hilir watch` was given."""
    if config.watch.program:
        return list(config.watch.program)
    return [sys.executable, "-m", "hilir.pipeline.cli", "run", path, *_layers(overlays, settings), "--json"]


def make_release(config: Config, path: str, overlays: Sequence[str], settings: Sequence[str]) -> list[str]:
    """Returns the command that releases a version, `{version}` in it; empty where nothing follows a run.

    Args:
        config: the configuration.
        path: its file, where the command finds who is notified and whether an approval is needed.
        overlays: what `hilir watch` was given on top.
        settings: and by `--set`.
    """
    watch = config.watch
    if watch.after is None:
        return []
    names = [
        "--config",
        path,
        *_layers(overlays, settings),
        "--root",
        config.serving.root,
        "--model",
        config.model.name,
    ]
    program = [sys.executable, "-m", "hilir.pipeline.cli", "release", watch.after, "{version}"]
    return [*program, *names, "--why", "pushed by hilir watch", *watch.after_options]


def _layers(overlays: Sequence[str], settings: Sequence[str]) -> list[str]:
    options = [part for overlay in overlays for part in ("--overlay", overlay)]
    return options + [part for setting in settings for part in ("--set", setting)]


def make_environment(config: Config) -> dict[str, str]:
    """Returns the environment of what `hilir watch` starts: this process's, without the token of its own calls.

    A variable that `notify` names stays, since the run signs its notifications with it.
    """
    used = {channel.secret for channel in config.notify}
    tokens = {HttpWatchSection().token} | ({config.watch.http.token} if config.watch.http else set())
    return {name: value for name, value in os.environ.items() if name in used or name not in tokens}


def _faults(config: Config) -> Iterator[str]:
    watch = config.watch
    reading = (watch.max_age_hours, watch.data, watch.drift, watch.quality)
    if all(each is None for each in (watch.cron, watch.http, *reading)):
        yield (
            "watch: has no trigger; set watch.cron, watch.data, watch.max_age_hours, watch.drift, watch.quality or "
            "watch.http, for example --set \"watch.cron='0 3 * * *'\""
        )
    if watch.data is not None:
        yield from _data_faults(config)
    if watch.after is not None and is_remote(config.serving.root):
        yield (
            f"serving.root '{config.serving.root}': watch.after changes the release state on this machine; "
            "set watch.after to null"
        )
    if any(each is not None for each in reading) and is_remote(config.serving.root):
        yield (
            f"serving.root '{config.serving.root}': watch.max_age_hours, watch.data, watch.drift and watch.quality "
            "read manifests on this machine; use watch.cron, or 'hilir schedule' on Vertex AI"
        )
    if watch.http is not None and len(os.environ.get(watch.http.token, "")) < _SHORTEST_TOKEN:
        yield (
            f"watch.http.token: the environment variable {watch.http.token} is missing or shorter than "
            f"{_SHORTEST_TOKEN} characters; type 'export {watch.http.token}=$(openssl rand -hex 32)'"
        )


def _data_faults(config: Config) -> Iterator[str]:
    _, pattern = locate(config.data.path, config.data.pattern)
    marker = config.watch.data.marker if config.watch.data else None
    if is_remote(config.data.path):
        yield (
            f"data.path '{config.data.path}': watch.data looks at folders of this machine; "
            "use watch.cron, or 'hilir schedule' on Vertex AI, where each run looks for the newest span"
        )
    if config.data.spans.last is not None:
        yield (
            f"data.spans.to '{config.data.spans.last}': a run that new data starts would not read it; "
            f"remove it, or use watch.cron"
        )
    if not has_span(pattern):
        yield (
            f"data.pattern '{pattern}': watch.data needs {{SPAN}} or {{YYYY}}{{MM}}{{DD}} in it, which tell new data "
            "from old; write for example 'day-{SPAN}/*.csv'"
        )
    elif marker is not None:
        try:
            marker_pattern(pattern, marker)
        except ValueError as error:
            yield f"watch.data.marker: {error}"
