"""The page with both models, exported by the command line, in Debian's Chromium."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Visit:
    """A page and what went wrong on it."""

    page: object
    url: str
    errors: list = field(default_factory=list)
    foreign: list = field(default_factory=list)

    def ready(self):
        """Waits until both models are loaded or the page says why not."""
        self.page.wait_for_selector("body[data-backend], #alert:not([hidden])", state="attached", timeout=60_000)
        return self.page

    def choose(self, backend):
        self.page.select_option("#backend", backend)
        self.page.wait_for_selector(
            f"body[data-backend={backend}], #alert:not([hidden])", state="attached", timeout=60_000
        )
        assert self.page.locator("#alert").is_hidden(), self.page.locator("#alert").inner_text()


@pytest.fixture(scope="session")
def models(digits_run, taxi_run, tmp_path_factory):
    """A serving root with both models, exported to TensorFlow.js on every evaluation row."""
    root = tmp_path_factory.mktemp("serving")
    for model, (place, _) in {"digits": digits_run, "taxi": taxi_run}.items():
        sets = [part for setting in place.settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "hilir.pipeline.cli", "export", "tfjs", "1", f"configs/{model}.yaml"]
        done = subprocess.run(
            [*command, "--set", "export.examples=100000", *sets], cwd=ROOT, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (root / model).symlink_to(place.models / model)
    return root


@pytest.fixture(scope="session")
def rows(digits_run, taxi_run):
    """Every evaluation row of both models, as columns of plain values, with what the SavedModel says."""
    import tensorflow as tf

    from hilir.components.exporter.example_rows import read_rows

    found = {}
    for model, (place, result) in {"digits": digits_run, "taxi": taxi_run}.items():
        (split,) = (place.root / "pipelines" / model / "ExampleGen" / "examples").glob("*/Split-eval")
        examples = read_rows([str(split / "*")], 100_000)
        signatures = tf.saved_model.load(result["version_path"]).signatures
        specs = signatures["serving_default"].structured_input_signature[1]
        columns = examples.columns(specs)
        served = {name: tf.constant(value) for name, value in examples.arrays(specs).items()}
        found[model] = {
            "examples": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
            "outputs": {name: value.numpy() for name, value in signatures["serving_default"](**served).items()},
            "transformed": {
                name: value.numpy()
                for name, value in signatures["transform_features"](examples=examples.tensor()).items()
            },
        }
    return found


@pytest.fixture(scope="session")
def serve():
    """Starts servers of the page."""
    from hilir.pipeline.browser.site_server import make_site_server

    with contextlib.ExitStack() as servers:
        yield lambda root: servers.enter_context(make_site_server(("127.0.0.1", 0), Path(root)))


@pytest.fixture(scope="session")
def url(serve, models):
    return f"{serve(models).url}/"


@pytest.fixture
def visit(browser, request):
    """Opens the page in a fresh profile; a console error or a foreign request fails the test at its end."""
    contexts, visits = [], []

    def open_page(address=None, chromium=browser, **options):
        address = address or request.getfixturevalue("url")  # which runs both pipelines
        context = chromium.new_context(**{"viewport": {"width": 1100, "height": 1000}, **options})
        contexts.append(context)
        found = Visit(context.new_page(), address)
        found.page.on("console", lambda message: message.type == "error" and found.errors.append(message.text))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        home = address if address.startswith("file:") else "/".join([*address.split("/")[:3], ""])
        context.on("request", lambda sent: sent.url.startswith(home) or found.foreign.append(sent.url))
        found.page.goto(address)
        visits.append(found)
        return found

    yield open_page
    for found in visits:
        assert found.foreign == []
        assert found.errors == []
    for context in contexts:
        context.close()
