"""One server with a model on trial, and gateways in front of it."""

import pytest

from tests.integration.release.place import Place, gateway_running, place_running
from tests.integration.serving.server_process import free_port

MODEL = "half"


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    """Version 1 is stable, version 2 the candidate with 30 %; one of two replicas is not there."""
    with place_running(tmp_path_factory.mktemp("place"), (MODEL, 1), (MODEL, 2)) as found:
        found.release("stage", 1)
        found.release("promote")
        found.release("canary", 2, "--percent", 30)
        yield found


@pytest.fixture(scope="session")
def another(place, tmp_path_factory):
    """Starts another gateway over the same releases: settings -> context of a Place."""
    import contextlib

    @contextlib.contextmanager
    def start(ports: list[int] | None = None, **settings):
        folder = tmp_path_factory.mktemp("gateway")
        root = folder / "models"
        # Its own folder of gateway files over the same states.
        (root / MODEL).mkdir(parents=True)
        (root / MODEL / "release.json").write_text((place.root / MODEL / "release.json").read_text())
        rest = ports or [place.server.rest_port]
        with gateway_running(root, rest, [place.server.port], folder, **settings) as found:
            yield Place(root, place.server, found, folder)

    return start


@pytest.fixture(scope="session")
def dead_port() -> int:
    return free_port()
