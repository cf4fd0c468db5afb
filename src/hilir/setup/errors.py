"""The error of a set-up; its message is the whole text for the user: fact, place, remedy."""

from __future__ import annotations


class SetupError(Exception):
    """Something that hilir runs outside its own environment is missing and cannot be made."""
