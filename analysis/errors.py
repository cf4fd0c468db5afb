"""What can be wrong with the data of an analysis."""


class ReferenceDamaged(ValueError):
    """A reference cannot be read; the message says what is wrong with it."""
