"""The errors of the exporters; the message of each is the whole text for the user: fact, place, remedy."""

from __future__ import annotations

from hilir.components.errors import ComponentError


class ExportError(ComponentError):
    """A model cannot be converted, or its conversion cannot be verified."""


class PreprocessingError(ExportError):
    """The transform graph does something that cannot be done outside TensorFlow."""
