"""Devices and pipes among the places that are written to: a rename would put a file in their stead."""

from __future__ import annotations

import os


def is_device(target: str | os.PathLike[str]) -> bool:
    """Returns whether a rename would put a file in the place of a device, a pipe or a link such as /dev/stdout."""
    if not os.path.exists(target) or os.path.isdir(target):
        return False
    return not os.path.isfile(target) or os.path.dirname(os.path.abspath(target)) == "/dev"
