"""What `hilir release show` prints of traffic: requests, errors and latency per version, as the gateway has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hilir.serving.gateway.counters import Counted, add, find_quantile
from hilir.serving.release.targets import Target
from hilir.serving.release.targets.gateway import EnvoyGateway
from hilir.serving.releases.rollout_plan import Counts
from hilir.serving.releases.state import State


@dataclass(frozen=True)
class Figures:
    """Counts of a time.

    Attributes:
        seconds: its length; None: since the gateways were started.
        counted: by version and arm.
    """

    seconds: float | None = None
    counted: Counted = field(default_factory=dict)

    def by_version(self) -> dict[str, Counts]:
        """Returns the counts per version; copies of requests apart, as `2 (copies)`."""
        found: dict[str, Counts] = {}
        for (version, arm), counts in sorted(self.counted.items()):
            name = f"{version} (copies)" if arm == "shadow" else str(version)
            found[name] = add(found.get(name, Counts()), counts)
        return {name: counts for name, counts in found.items() if counts.requests}

    def lines(self, state: State) -> Iterator[str]:
        """Yields a line per version."""
        versions = self.by_version()
        if not versions:
            return
        yield f"requests {self._time()}:"
        for name, counts in versions.items():
            label = next((label for label, number in state.labels.items() if str(number) == name), "")
            rate = f", {counts.requests / self.seconds:,.1f}/s" if self.seconds else ""
            quantiles = [find_quantile(counts, level) for level in (0.5, 0.99)]
            shown = [f"{quantile[1]:.3g} ms" if quantile is not None else "none" for quantile in quantiles]
            yield (
                f"  version {name}{' ' if label else ''}{label}: {counts.requests:,}{rate}, {counts.errors:,} errors "
                f"({counts.errors / counts.requests:.2%}), median {shown[0]}, 99th percentile {shown[1]}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as plain values; latencies in milliseconds."""
        versions = {
            name: {
                "requests": counts.requests,
                "errors": counts.errors,
                "p50_ms": _upper(counts, 0.5),
                "p99_ms": _upper(counts, 0.99),
            }
            for name, counts in self.by_version().items()
        }
        return {"seconds": self.seconds, "versions": versions}

    def _time(self) -> str:
        return f"in the last {self.seconds / 60:.1f} min" if self.seconds else "since the gateway was started"


def read_figures(gateway: Target | None) -> Figures:
    """Returns what a gateway counted in the last minutes, or since its start where nobody keeps the minutes."""
    if not isinstance(gateway, EnvoyGateway):
        return Figures()
    window = gateway.count_recent()
    if window is not None:
        return Figures(window.seconds, window.counted)
    together: Counted = {}
    for counted in gateway.count().values():
        for key, counts in counted.items():
            together[key] = add(together.get(key, Counts()), counts)
    return Figures(None, together)


def describe_rollout(state: State) -> Iterator[str]:
    """Yields a line about the rollout in progress."""
    rollout = state.rollout
    if rollout is not None:
        steps = ", ".join(f"{percent:g}" for percent in rollout.steps)
        yield (
            f"rollout: version {rollout.version} in step {rollout.step + 1} of {len(rollout.steps)} ({steps} %) "
            f"since {rollout.since}, for at least {rollout.hold_seconds:g} s"
        )
    if state.approval == "required":
        yield "approval: required before a version gets traffic"


def _upper(counts: Counts, level: float) -> float | None:
    found = find_quantile(counts, level)
    return None if found is None else round(found[1], 3)
