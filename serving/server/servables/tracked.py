"""One version on its way into service and out of it."""

from __future__ import annotations

from dataclasses import dataclass

from hilir.serving.server.servables.policy import Phase, Snapshot
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.servables.storage.listing import Fingerprint


@dataclass
class Tracked:
    """One version in the lifecycle's hands.

    Attributes:
        attempts: loads that have failed since its files changed last.
        retry_at: when to try again, by the monotonic clock; None while there is nothing to wait for.
        failed_as: what its files looked like when it last failed to load.
    """

    version: int
    path: str
    aspired: bool = True
    phase: Phase = Phase.NEW
    servable: Servable | None = None
    attempts: int = 0
    retry_at: float | None = None
    failed_as: Fingerprint | None = None

    @property
    def has_failed(self) -> bool:
        """It did not load, and no load is under way."""
        return self.failed_as is not None and (self.phase is Phase.ERROR or self.retry_at is not None)

    def forget_failure(self) -> None:
        """Make it a version that was never tried."""
        self.attempts = 0
        self.retry_at = self.failed_as = None
        self.phase = Phase.NEW

    def close(self) -> None:
        """Free it once no request holds it; nothing refers to it afterwards, so that its memory can be returned."""
        servable, self.servable = self.servable, None
        if servable is not None:
            servable.close()

    def snapshot(self) -> Snapshot:
        """What the policy needs to know."""
        return Snapshot(self.version, self.phase, self.aspired)
