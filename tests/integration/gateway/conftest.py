"""One server with a model on trial, and gateways in front of it."""

import pytest

from tests.integration.gateway.recorder import recording
from tests.integration.release.place import Place, gateway_running, place_running
from tests.integration.release.versions import make_version
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
    def start(ports: list[int] | None = None, grpc_ports: list[int] | None = None, **settings):
        folder = tmp_path_factory.mktemp("gateway")
        root = folder / "models"
        # Its own folder of gateway files over the same states.
        (root / MODEL).mkdir(parents=True)
        (root / MODEL / "release.json").write_text((place.root / MODEL / "release.json").read_text())
        rest = ports or [place.server.rest_port]
        with gateway_running(root, rest, grpc_ports or [place.server.port], folder, **settings) as found:
            yield Place(root, place.server, found, folder)

    return start


@pytest.fixture(scope="module")
def recorded(another):
    """A gateway over the same releases whose gRPC replica is a Recorder: (Place, Recorder)."""
    with recording() as recorder, another(grpc_ports=[recorder.port]) as found:
        yield found, recorder


@pytest.fixture(scope="module")
def trial(place) -> str:
    """A model for tests that change its release: version 1 is stable, version 2 the candidate with 30 %."""
    name = "trial"
    for number in (1, 2):
        make_version(place.root, number, model=name)
    place.release("stage", 1, model=name)
    place.release("promote", model=name)
    place.release("canary", 2, "--percent", 30, model=name)
    return name


@pytest.fixture(scope="session")
def dead_port() -> int:
    return free_port()
