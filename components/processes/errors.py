"""What keeps a child process from doing its work."""

from hilir.components.errors import ComponentError


class ProcessError(Exception):
    """A process cannot be started; the message gives the reason."""


class Canceled(Exception):
    """The user stopped what was waiting for the processes."""


class WorkerDied(ComponentError):
    """A worker process of Beam ended before its work was done."""


class ClusterError(ComponentError):
    """Nothing runs pipelines on the cluster."""
