"""Parcels over REST and gRPC at a steady rate, and what became of them: `python -m … REST_URL GRPC_ADDRESS RATE`.

A buyer of two parcels is content with an answer that is right, six times of ten; whether a parcel was heavy is known a
moment later. Both go to the gateway as outcomes. A number that it is told is the deviations that the sensor shows too
much from then on.
"""

from __future__ import annotations

import random
import sys

import numpy as np

from tests.integration.experiment.telling import TellingSender
from tests.integration.release.both_protocols import Answer, Question, run
from tests.integration.serving.child_processes import loading
from tests.loop.shop import LABEL, MODEL, draw_parcel

CONTENT = 0.6


def sending(rest: str, rpc: str, rate: int):
    """Sends from a process of its own while the block runs; yields a list that is filled at the end."""
    return loading("tests.loop.traffic", rest, rpc, str(rate))


class Parcels(TellingSender):
    def __init__(self, rest: str, rpc: str, rate: int) -> None:
        self._shift = 0.0
        super().__init__(rest, rpc, MODEL, rate)

    def ask(self, number: int, chance: random.Random) -> Question:
        parcel = draw_parcel(chance, self._shift)
        inputs = {"size": np.array([parcel.size], np.float32), "age": np.array([parcel.age], np.int64)}
        return Question(inputs, f"buyer-{number // 2}", parcel)

    def happen(self, question: Question, answer: Answer, chance: random.Random) -> dict[str, bool]:
        right = (answer.output[0][0] > 0.5) == question.about.heavy
        return {"content": right and chance.random() < CONTENT, LABEL: question.about.heavy}

    def told(self, word: str) -> None:
        self._shift = float(word)


if __name__ == "__main__":
    run(Parcels(sys.argv[1], sys.argv[2], int(sys.argv[3])))
