"""The configuration of pytest: a warning of our own code is an error, one of somebody else's is not."""

from __future__ import annotations

import importlib
import warnings

import pytest

WARN = "import warnings; warnings.warn('look out', {category})"


@pytest.mark.parametrize(
    "name", ["hilir.pipeline.errors", "hilir.pipeline.run.checks", "hilir.components.errors", "models"]
)
@pytest.mark.parametrize("category", ["UserWarning", "DeprecationWarning", "ResourceWarning"])
def test_a_warning_in_our_modules_is_an_error(name, category):
    with pytest.raises(Warning, match="look out"):
        exec(WARN.format(category=category), vars(importlib.import_module(name)))


def test_a_warning_of_another_package_is_not():
    with warnings.catch_warnings(record=True) as caught:
        exec(WARN.format(category="UserWarning"), {"__name__": "hilirious.pipeline"})
    assert caught == []
