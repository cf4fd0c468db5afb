"""What can be changed from the dashboard: the verbs of a release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hilir.serving.errors import ServingError

VERBS = ("promote", "rollback")


@dataclass(frozen=True)
class Outcome:
    """How a verb ended: whether it was done, and what it printed or why not."""

    done: bool
    text: str


@dataclass(frozen=True)
class Targets:
    """Which servers a verb talks to, and the file with their token; the defaults are those of `hilir release`."""

    servers: tuple[str, ...] = ()
    token_file: str | None = None
    timeout: float = 60.0


def act(root: Path, model: str, verb: str, why: str, targets: Targets) -> Outcome:
    """Does what `hilir release VERB --model MODEL` does, and returns how it ended."""
    from hilir.serving.release import verbs
    from hilir.serving.release.factory import open_transaction
    from hilir.serving.release.transaction import describe
    from hilir.serving.releases.store import Store

    lines: list[str] = []
    try:
        transaction = open_transaction(
            Store(root), model, echo=lines.append, servers=targets.servers, token_file=targets.token_file,
            timeout=targets.timeout, why=why or "from the dashboard",
        )  # fmt: skip
        state = verbs.promote(transaction) if verb == "promote" else verbs.rollback(transaction)
    except ServingError as error:
        return Outcome(False, str(error))
    return Outcome(True, f"{model}: {describe(state)}")
