"""One server and one gateway for all tests of experiments; each test has a model of its own."""

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
def model(place) -> str:
    """A model with version 1 stable, and versions 2 and 3 that nobody has staged."""
    name = f"model-{next(_numbers)}"
    for number in (1, 2, 3):
        make_version(place.root, number, model=name)
    place.release("stage", 1, model=name)
    place.release("promote", model=name)
    return name
