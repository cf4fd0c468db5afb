"""Models for the server's tests, made once."""

import shutil

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A directory of model base paths: half_plus_two (123, 124), half_plus_three, shapes, digits, broken."""
    from tests.integration.serving import saved_models

    return saved_models.write_all(tmp_path_factory.mktemp("models"))


@pytest.fixture
def base(models, tmp_path):
    """A base path with version 1 of half_plus_two."""
    path = tmp_path / "half"
    shutil.copytree(models / "half_plus_two" / "00000123", path / "1")
    return path
