"""The errors that the operator's side raises.

    Exception
    ├── ConfigError       the configuration or what it points to is wrong; nothing was started   (exit code 3)
    ├── StepFailed        a step of the pipeline stopped the run                                  (exit code 4)
    └── Interrupted       the user stopped it                                                     (exit code 130)

The message of each is the whole text for the user: fact, place, remedy.
`hilir.pipeline.cli.exits` gives the exit codes. A model that is not blessed is an answer and no error.
"""

from __future__ import annotations

from collections.abc import Sequence


class ConfigError(Exception):
    """The configuration, or something it points to, is wrong; nothing was started."""

    def __init__(self, faults: Sequence[str] | str) -> None:
        """`faults`: every fault found, one text each."""
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class StepFailed(Exception):
    """A step of the pipeline stopped the run; nothing after it ran."""

    def __init__(self, node: str, message: str) -> None:
        """`node`: the step's id. `message`: fact, place and remedy."""
        self.node = node
        super().__init__(message)


class Interrupted(Exception):
    """The user stopped the command; the message says how to continue."""
