"""Makes what carries a rollout out on model servers behind Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.experiment.experiment_metrics import Kind
from hilir.serving.gateway.counters import total
from hilir.serving.gateway.gateway_files import read_gateway
from hilir.serving.outcomes.backends import DEFAULT_PLACE
from hilir.serving.release import verbs
from hilir.serving.release.targets.gateway import EnvoyGateway
from hilir.serving.release.transaction import Transaction
from hilir.serving.releases.actor import make_printable
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.rollout.engine import Runner
from hilir.serving.rollout.forecast import Traffic
from hilir.serving.rollout.gates import Gate, Paced
from hilir.serving.rollout.guardrails import Guardrail
from hilir.serving.rollout.metric_guardrail import MetricGuardrail
from hilir.serving.rollout.predictions import PredictionDrift, ShadowDifferences
from hilir.serving.rollout.split_check import SplitCheck
from hilir.serving.rollout.step_predictions import StepLog


def open_runner(
    transaction: Transaction, rollout: Rollout, outcomes: str | None = None, accept_schema_change: bool = False
) -> Runner:
    """Returns what carries a rollout out.

    Args:
        transaction: the release.
        rollout: the plan.
        outcomes: where outcomes are, for guardrails on metrics; not stored, since an address may have a password.
        accept_schema_change: the version may have other inputs, outputs or classes than stable.

    Raises:
        ReleaseRefused: there is no gateway to split the traffic.
        ServingConfigError: a request log or a guardrail cannot be used.
    """
    gateway = require_gateway(transaction)
    return Runner(
        transaction,
        stage=lambda version: verbs.stage(transaction, version, accept_schema_change=accept_schema_change),
        count=gateway.count,
        gates=(*make_gates(rollout, find_access_log(transaction), outcomes), *_make_split_check(transaction)),
    )


def require_gateway(transaction: Transaction) -> EnvoyGateway:
    """Returns the gateway.

    Raises:
        ReleaseRefused: there is none.
    """
    if not isinstance(transaction.gateway, EnvoyGateway):
        raise ReleaseRefused(
            f"{transaction.model}: there is no gateway to split the traffic; start one with 'hilir gateway run'"
        )
    return transaction.gateway


def make_gates(rollout: Rollout, access_log: str | None = None, outcomes: str | None = None) -> Iterator[Gate]:
    """Yields the gates that look at something other than the gateways' counters.

    Args:
        rollout: with what they are told.
        access_log: the gateway's; None where it is no file here.
        outcomes: where outcomes are; None for the usual place.

    Raises:
        ServingConfigError: a request log or a guardrail cannot be used.
    """
    for prefix in rollout.gates.request_log:
        # The server makes the file with the first request that it logs.
        folder = Path(prefix).parent
        if not folder.is_dir():
            raise ServingConfigError(
                f"--request-log {make_printable(prefix)}: there is no folder {make_printable(str(folder))}; "
                "name what 'hilir serve --request-log PREFIX' got, as this machine sees it"
            )
    if rollout.gates.request_log and rollout.shadow and not rollout.steps[0]:
        yield Paced(ShadowDifferences(StepLog(rollout.gates.request_log)))
    if rollout.gates.drift is not None:
        yield Paced(PredictionDrift(StepLog(rollout.gates.request_log)))
    for text in rollout.gates.guardrails:
        if text.partition(":")[0] not in get_args(Kind):
            yield Paced(Guardrail(text))
        elif access_log is None:
            raise ServingConfigError(
                f"--guardrail {make_printable(text)}: a metric of users needs the gateway's access log as a file here; "
                "type 'hilir gateway run --access-log FILE'"
            )
        else:
            yield Paced(MetricGuardrail(text, access_log, outcomes or DEFAULT_PLACE))


def find_access_log(transaction: Transaction) -> str | None:
    """Returns the gateway's access log; None where it is elsewhere, in a container's output for example."""
    settings = read_gateway(transaction.store)
    return settings.access_log if settings is not None and Path(settings.access_log).is_file() else None


def _make_split_check(transaction: Transaction) -> Iterator[Gate]:
    path = find_access_log(transaction)
    if path is not None:
        yield Paced(SplitCheck(Path(path)))


def measure_traffic(transaction: Transaction) -> Traffic | None:
    """Returns what the gateway counted of stable in the last minutes; None if that is nothing, or nobody keeps it."""
    gateway, stable = transaction.gateway, transaction.read().stable
    window = gateway.count_recent() if isinstance(gateway, EnvoyGateway) else None
    if window is None or stable is None:
        return None
    counts = total(window.counted, stable)
    if not counts.requests:
        return None
    # Of no errors half a one: a rate of 0 would promise that nothing can be found.
    rate = (counts.errors + 0.5) / (counts.requests + 1)
    source = f"stable's {counts.requests:,} requests in the last {window.seconds / 60:.1f} min"
    return Traffic(counts.requests / window.seconds, rate, source)
