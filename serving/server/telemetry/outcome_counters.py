"""Counters of outcomes, for the two that take them: our server and `hilir monitor serve`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from hilir.serving.outcomes.receive import Received
from hilir.serving.server.telemetry.metrics import Counter


@dataclass(frozen=True)
class OutcomeCounters:
    """Counts since the process began.

    Attributes:
        outcomes: by what they changed: new, replaced or unchanged.
        batches: by the HTTP status of the answer; what is not 200 has stored nothing.
    """

    outcomes: Counter = field(default_factory=lambda: Counter("hilir_outcomes", ("result",)))
    batches: Counter = field(default_factory=lambda: Counter("hilir_outcome_batches", ("status",)))

    def note(self, received: Received) -> None:
        """Counts a batch."""
        self.batches.add(str(received.status))
        for result, amount in asdict(received.written).items() if received.written is not None else ():
            self.outcomes.add(result, amount=amount)

    def page(self) -> str:
        """The text that Prometheus reads."""
        return "\n".join([*self.outcomes.lines(), *self.batches.lines()]) + "\n"
