"""Log lines about conditions that last: one when a condition starts or changes, not one per poll."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable


class Notices:
    """Remembers by topic what was logged last, so that only what is new is logged."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[str, frozenset[str]] = {}

    def update(self, topic: str, messages: Iterable[str], level: int = logging.ERROR) -> None:
        """Log the messages that the topic did not have at the last update; without messages it is forgotten."""
        current = frozenset(messages)
        for message in sorted(current - self._last.get(topic, frozenset())):
            self._logger.log(level, "%s", message)
        if current:
            self._last[topic] = current
        else:
            self._last.pop(topic, None)

    def keep(self, topics: Collection[str]) -> None:
        """Forget all other topics."""
        self._last = {topic: messages for topic, messages in self._last.items() if topic in topics}
