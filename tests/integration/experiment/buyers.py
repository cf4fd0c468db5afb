"""Users who buy or not: `python -m … REST_URL GRPC_ADDRESS MODEL RATE SHARE`, where SHARE of version 2's users buy.

Of other versions' users half buy.
"""

from __future__ import annotations

import random
import sys

from tests.integration.experiment.telling import TellingSender
from tests.integration.release.both_protocols import Answer, Question, run
from tests.integration.serving.child_processes import loading


def buying(place, model: str, rate: int, share: float):
    """Sends from a process of its own while the block runs; yields a list that is filled at the end."""
    module = "tests.integration.experiment.buyers"
    return loading(module, place.url, place.settings.listen, model, str(rate), str(share))


class Buyers(TellingSender):
    def __init__(self, *place, share: float) -> None:
        self._share = share
        super().__init__(*place)

    def happen(self, question: Question, answer: Answer, chance: random.Random) -> dict[str, bool]:
        return {"bought": chance.random() < (self._share if answer.version == "2" else 0.5)}


if __name__ == "__main__":
    run(Buyers(*sys.argv[1:4], int(sys.argv[4]), share=float(sys.argv[5])))
