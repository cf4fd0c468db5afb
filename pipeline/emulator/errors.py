"""What stops one step of an emulated pipeline."""


class StepError(Exception):
    """The step cannot continue; the message gives the reason, without the step's name."""


class Canceled(Exception):
    """The user stopped the emulation while the step ran."""
