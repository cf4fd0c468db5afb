"""Models for the server's tests, made once."""

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A directory of model base paths: half_plus_two (123, 124), half_plus_three, shapes, digits, broken."""
    from tests.integration.serving import saved_models

    root = tmp_path_factory.mktemp("models")
    saved_models.half_plus(root / "half_plus_two" / "00000123", 2.0)
    saved_models.half_plus(root / "half_plus_two_2_versions" / "00000123", 2.0)
    saved_models.half_plus(root / "half_plus_two_2_versions" / "00000124", 2.0)
    saved_models.half_plus(root / "half_plus_three" / "00000123", 3.0)
    saved_models.shapes(root / "shapes" / "1")
    saved_models.digits(root / "digits" / "1")
    saved_models.broken(root / "broken" / "1")
    return root
