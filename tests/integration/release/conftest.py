"""One server and one gateway for all tests of releases; each test has a model of its own."""

import itertools

import pytest

from tests.integration.release.place import Place, place_running
from tests.integration.release.versions import make_version

_numbers = itertools.count()


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    with place_running(tmp_path_factory.mktemp("place")) as found:
        yield found


@pytest.fixture
def model(place, tmp_path) -> str:
    """A model with versions 1, 2 and 3 that nobody has released; the server sees them at once, and serves 3."""
    name = f"model-{next(_numbers)}"
    for number in (1, 2, 3):
        make_version(tmp_path / "made", number, model=name)
    (tmp_path / "made" / name).rename(place.root / name)
    return name


@pytest.fixture
def released(place, model) -> str:
    """A model with version 1 stable."""
    place.release("stage", 1, model=model)
    place.release("promote", model=model)
    return model
