"""One server, one gateway and one taker of outcomes for all tests of experiments; each test has a model of its own."""

import itertools

import pytest

from tests.integration.outcomes.collecting import collecting
from tests.integration.release.place import Place, place_running
from tests.integration.release.versions import make_version

_numbers = itertools.count()


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory) -> str:
    """Where outcomes are stored."""
    return str(tmp_path_factory.mktemp("outcomes") / "outcomes.sqlite")


@pytest.fixture(scope="session")
def place(tmp_path_factory, outcomes) -> Place:
    folder = tmp_path_factory.mktemp("place")
    with collecting(outcomes) as address, place_running(folder, outcomes=[address]) as found:
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
