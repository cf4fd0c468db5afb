"""What can be changed from the dashboard: the verbs of a release."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hilir.serving.errors import ServingError
from hilir.serving.notify import Channel, Notifier

logger = logging.getLogger(__name__)

VERBS = ("approve", "promote", "rollback")


@dataclass(frozen=True)
class Outcome:
    """How a verb ended: whether it was done, and what it printed or why not."""

    done: bool
    text: str


@dataclass(frozen=True)
class Targets:
    """Which servers a verb talks to, and the file with their token; the defaults are those of `hilir release`.

    `actor` is what the history calls who did it; `channels` are where notifications about a model go; `approval` has
    the models whose configuration asks for the approval of a version.
    """

    servers: tuple[str, ...] = ()
    token_file: str | None = None
    timeout: float = 60.0
    actor: str = "dashboard"
    channels: Mapping[str, Sequence[Channel]] = field(default_factory=dict)
    approval: frozenset[str] = frozenset()


def act(root: Path, model: str, verb: str, why: str, targets: Targets) -> Outcome:
    """Does what `hilir release VERB --model MODEL` does, and returns how it ended."""
    from hilir.serving.release import verbs
    from hilir.serving.release.factory import open_transaction
    from hilir.serving.release.state_listing import make_notification
    from hilir.serving.release.transaction import describe
    from hilir.serving.releases.release_store import Store

    lines: list[str] = []
    notifier = Notifier(targets.channels.get(model, ()), lambda line: logger.warning("%s", line))
    try:
        transaction = open_transaction(
            Store(root), model, echo=lines.append, servers=targets.servers, token_file=targets.token_file,
            timeout=targets.timeout, why=why or "from the dashboard",
            notify=lambda state: notifier.offer(make_notification(state)),
        )  # fmt: skip
        transaction = replace(transaction, actor=targets.actor)
        if model in targets.approval:
            verbs.require_approval(transaction, "required")
        match verb:
            case "approve":
                state = verbs.approve(transaction, transaction.read().candidate or 0)
            case "promote":
                state = verbs.promote(transaction)
            case _:
                state = verbs.rollback(transaction)
    except ServingError as error:
        return Outcome(False, str(error))
    finally:
        notifier.close()
    return Outcome(True, f"{model}: {describe(state)}")
