"""What stops one step of an emulated pipeline."""

from hilir.components.processes.errors import ProcessError


class StepError(ProcessError):
    """The step cannot continue; the message gives the reason, without the step's name."""
