"""The errors that components raise; the message of each is the whole text for the user: fact, place, remedy."""


class ComponentError(Exception):
    """A step cannot continue, for a reason that the user can fix."""


class IngestError(ComponentError):
    """The data files cannot be read as they should."""


class EmptyFileError(IngestError):
    """There is nothing in a data file; one among others is left out."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class DataRefused(ComponentError):
    """The data has anomalies that stop the run."""


class ModelPackageError(ComponentError):
    """The user's model package lacks something or does not fit its data."""


class UserCodeError(ModelPackageError):
    """Code of the user's raised an error; the message says which, and in which line of their files.

    The traceback is in the log, as the message of an error that nobody planned may not say enough.
    """


class PushError(ComponentError):
    """A version could not be written to the serving root."""


class PreflightError(ComponentError):
    """What would stop a run later was found before the first training step."""


class TrainingError(ComponentError):
    """A training cannot be set up as asked, or did not come to its end."""


class LossIsNaN(TrainingError):
    """A loss is not a number."""


class EvaluationError(ComponentError):
    """A model cannot be evaluated as configured."""
