"""The errors of talking to Vertex AI; the message of each is the whole text for the user: fact, place, remedy."""

from hilir.components.errors import ComponentError


class VertexError(ComponentError):
    """Vertex AI refused a request, did not answer, or an operation on it failed."""


class NotFound(VertexError):
    """Vertex AI has nothing of that name."""


class Outdated(VertexError):
    """What was to be changed has changed since it was read; read it again."""


class QuotaRefused(VertexError):
    """The project has no quota for what was asked for; trying again would not help."""


class Unreachable(VertexError):
    """Vertex AI gave no usable answer for as long as was waited."""
