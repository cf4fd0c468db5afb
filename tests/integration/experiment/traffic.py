"""Users of a model behind a gateway, and the command line of experiments."""

import random
import time
from dataclasses import dataclass

import requests
from click.testing import CliRunner

from hilir.serving.client import GrpcClient, RestClient
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


def send_users(place: Place, model: str, users: range, rates: dict[str, float], seed: int = 1) -> None:
    """Has each user ask once or twice, over REST or gRPC, and buy or not by the arm that answered; sends what they did.

    All of it goes through the gateway.
    """
    draw = random.Random(seed)
    batch: list[dict] = []
    with RestClient(place.url) as rest, GrpcClient(place.settings.listen) as rpc:
        for number in users:
            key = f"user-{number}"
            for _ in range(draw.choice((1, 1, 2))):
                answer = (rest, rpc)[number % 2].predict(model, {"x": [[2.0], [4.0]]}, user_key=key)
            assert answer.label is not None
            bought = draw.random() < rates[answer.label]
            batch += [
                {"id": answer.ids[1], "name": "bought", "value": bought, "time": time.time()},
                {"user": key, "name": "spent", "value": draw.gauss(10, 2), "time": time.time()},
            ]
    for first in range(0, len(batch), 500):
        part = batch[first : first + 500]
        answered = requests.post(f"{place.url}/v1/outcomes", json={"outcomes": part}, timeout=10)
        assert answered.status_code == 200, answered.text
        assert answered.json()["accepted"] == len(part)
