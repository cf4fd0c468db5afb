"""Users of a model behind a gateway, and the command line of experiments."""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from hilir.serving.client import RestClient
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.receive import receive
from tests.integration.release.place import Place


@dataclass
class Result:
    code: int
    text: str


def call(*words) -> Result:
    """Runs a command of `hilir`."""
    from hilir.pipeline.cli.exits import exit_code
    from hilir.pipeline.cli.main import cli

    result = CliRunner().invoke(cli, [str(word) for word in words])
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return Result(result.exit_code, result.output)
    code = exit_code(error)
    if code is None:
        raise error
    return Result(code, f"{result.output}{error}")


def experiment(place: Place, verb: str, *words, model: str, code: int = 0) -> str:
    """Runs `hilir experiment`; returns what it printed."""
    selection = ["--root", place.root, "--model", model]
    flags = [*selection, *place.flags[2:]] if verb in ("start", "stop") else selection
    result = call("experiment", verb, *words, *flags)
    assert result.code == code, result.text
    return result.text


def send_users(place: Place, model: str, users: range, rates: dict[str, float], outcomes: Path, seed: int = 1) -> None:
    """Has each user ask once or twice, and buy or not, by the version that answered; then sends what they did."""
    draw = random.Random(seed)
    batch = []
    with RestClient(place.url) as client:
        for number in users:
            key = f"user-{number}"
            for _ in range(draw.choice((1, 1, 2))):
                answer = client.predict(model, {"x": [[2.0], [4.0]]}, user_key=key)
            assert answer.label is not None
            batch += [
                {
                    "id": answer.ids[1],
                    "name": "bought",
                    "value": draw.random() < rates[answer.label],
                    "time": time.time(),
                },
                {"user": key, "name": "spent", "value": draw.gauss(10, 2), "time": time.time()},
            ]
    store = open_store(str(outcomes))
    for first in range(0, len(batch), 1000):
        status, answered = receive(store, json.dumps({"outcomes": batch[first : first + 1000]}).encode())
        assert status == 200, answered
    store.close()
