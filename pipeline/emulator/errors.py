"""What stops one step of an emulated pipeline."""


class StepError(Exception):
    """The step cannot go on; the message says why, without the step's name."""


class Canceled(Exception):
    """The user stopped the emulation while the step ran."""
