"""Where a report's figures come from: the state, the logs, and the outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.analysis import Analysis, analyse
from hilir.serving.experiment.experiment_metrics import LOGGED, parse_metrics
from hilir.serving.experiment.users import find_users
from hilir.serving.gateway.gateway_files import read_gateway
from hilir.serving.outcomes.access_log import read_access_logs
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import Outcome
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State
from hilir.serving.request_log.row_counts import read_rows


def choose_experiment(state: State, name: str | None) -> Experiment:
    """Returns the newest experiment with a name, or the newest of all.

    Raises:
        ServingConfigError: there is none.
    """
    found = [each for each in state.experiments if name in (None, each.name, each.id)]
    if found:
        return found[-1]
    names = ", ".join(dict.fromkeys(each.name for each in state.experiments))
    raise ServingConfigError(
        f"{state.model}: there is no experiment {name}; there are: {names}"
        if name and names
        else f"{state.model}: no experiment has been started; type 'hilir experiment start NAME --candidate VERSION'"
    )


def analyse_experiment(
    store: Store,
    model: str,
    name: str | None,
    access_logs: Sequence[str],
    request_logs: Sequence[str],
    outcomes: str,
    clock: Callable[[], float] = time.time,
) -> Analysis:
    """Returns what an experiment shows at this moment.

    Args:
        store: the states.
        model: whose experiment it is.
        name: which one; None for the newest.
        access_logs: of the gateways; none for the one that its settings name.
        request_logs: prefixes of the servers' request logs, if there are any.
        outcomes: where they are.
        clock: seconds since 1970.

    Raises:
        ServingConfigError: there is no such experiment or log.
        StoreFailed: the outcomes cannot be read.
    """
    experiment = choose_experiment(store.read(model), name)
    # Whoever's window was still open at the end has got stable since then, whatever their arm was.
    now = min(clock(), _seconds(experiment.ended)) if experiment.ended else clock()
    paths = access_logs or find_access_log(store)
    metrics = parse_metrics(experiment.metrics + experiment.guardrails)
    names = sorted({source for metric in metrics for source in metric.sources} - set(LOGGED))
    found = _read_outcomes(outcomes, names) if names else []
    known = {each.request for each in found}
    log = read_access_logs(paths, model, lambda each: each.experiment == experiment.id or each.id in known)
    rows = read_rows(request_logs, model) if request_logs else None
    users = find_users(experiment, log.requests, found, names, rows, log.repeated, log.torn)
    return analyse(experiment, users, _seconds(experiment.started), now)


def _seconds(time_of: str) -> float:
    return datetime.fromisoformat(time_of).timestamp()


def _read_outcomes(place: str, names: Sequence[str]) -> list[Outcome]:
    store = open_store(place, new=False)
    try:
        return store.read(names)
    finally:
        store.close()


def find_access_log(store: Store) -> list[str]:
    """Returns the file that the gateway of a serving root logs to.

    Raises:
        ServingConfigError: there is no gateway, or it logs to no file.
    """
    settings = read_gateway(store)
    path = "" if settings is None else settings.access_log
    if not path or not Path(path).is_file():
        where = f"the gateway logs to {path}, which is no file here" if path else f"{store.root}: there is no gateway"
        raise ServingConfigError(
            f"{where}; name its access log with --access-log FILE, or run 'hilir gateway run --access-log FILE'"
        )
    return [path]
