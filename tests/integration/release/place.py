"""A serving root with a real model server and a real Envoy, and the command line to release on them."""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from click.testing import CliRunner

from tests.integration.release.versions import MODEL, make_version
from tests.integration.serving.server_process import free_port, spawned

FIRST = "first"
"""A model that is there when the server starts."""


@dataclass
class Result:
    code: int
    text: str


class Place:
    def __init__(self, root: Path, server, settings, folder: Path):
        self.root, self.server, self.settings, self.folder = root, server, settings, folder
        self.url = f"http://{settings.listen}"
        self.session = requests.Session()

    @property
    def flags(self) -> list[str]:
        return ["--root", str(self.root), "--server", f"http://127.0.0.1:{self.server.rest_port}", "--timeout", "30"]

    def release(self, verb: str, *arguments, model: str = MODEL, code: int | None = 0) -> Result:
        """Runs `hilir release`; `code` is the exit code that is expected, None for any."""
        from hilir.pipeline.cli.exits import exit_code
        from hilir.serving.cli.release import release

        flags = self.flags if verb not in ("list", "history") else ["--root", str(self.root)]
        selection = [] if verb == "adopt" else ["--model", model, *flags]
        words = [verb, *selection, *map(str, arguments)]
        result = CliRunner().invoke(release, words)
        found = result.exit_code
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            found = exit_code(result.exception)
            if found is None:
                raise result.exception
        text = result.output + (str(result.exception) if found else "")
        assert code is None or found == code, text
        return Result(found, text)

    def state(self, model: str = MODEL) -> dict:
        return json.loads((self.root / model / "release.json").read_text())

    def ask(self, model: str = MODEL, path: str = "", **headers) -> requests.Response:
        """Asks for 0.5 * 2 + version through the gateway; keyword arguments are headers with _ for -."""
        return self.session.post(
            f"{self.url}/v1/models/{model}{path}:predict",
            json={"instances": [[2.0]]},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=10,
        )

    def answering(self, model: str = MODEL, path: str = "", **headers) -> int:
        """The version that answers, read from the answer itself."""
        response = self.ask(model, path, **headers)
        assert response.status_code == 200, response.text
        return round(response.json()["predictions"][0][0] - 1.0)

    def log_lines(self, **wanted) -> list[dict]:
        """Lines of the access log with these values; Envoy writes them within seconds."""
        lines = [json.loads(line) for line in Path(self.settings.access_log).read_text().splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]

    def wait_for_log(self, count: int = 1, seconds: float = 60.0, **wanted) -> list[dict]:
        deadline = time.monotonic() + seconds
        while len(found := self.log_lines(**wanted)) < count:
            assert time.monotonic() < deadline, f"{len(found)} lines with {wanted}, not {count}"
            time.sleep(0.1)
        return found


@contextlib.contextmanager
def gateway_running(root: Path, rest_ports: list[int], grpc_ports: list[int], folder: Path, **settings):
    """A real Envoy in front of servers; yields its settings."""
    from hilir.serving.gateway.gateway_files import write_gateway
    from hilir.serving.gateway.runner import Gateway, check_configuration
    from hilir.serving.gateway.settings import read_settings
    from hilir.serving.releases.release_store import Store

    found = read_settings(
        None,
        listen=f"127.0.0.1:{free_port()}",
        status=f"127.0.0.1:{free_port()}",
        admin=f"127.0.0.1:{free_port()}",
        rest=[f"127.0.0.1:{port}" for port in rest_ports],
        grpc=[f"127.0.0.1:{port}" for port in grpc_ports],
        access_log=str(folder / "access.log"),
        **settings,
    )
    (folder / "access.log").touch()
    files = write_gateway(Store(root), found)
    check_configuration(files)
    gateway = Gateway(files, found, threads=1)
    gateway.start()
    try:
        yield found
    finally:
        gateway.stop(drain=False)


@contextlib.contextmanager
def place_running(folder: Path, *versions: tuple[str, int], flags: tuple[str, ...] = (), **settings):
    """Server and gateway over a root with these versions, and one of the model `first`; flags are the server's."""
    root = folder / "models"
    for model, number in ((FIRST, 1), *versions):
        make_version(root, number, model=model)
    with (
        spawned(f"--root={root}", *flags) as server,
        gateway_running(root, [server.rest_port], [server.port], folder, **settings) as found,
    ):
        assert server.process.poll() is None, "".join(server.lines)
        yield Place(root, server, found, folder)
