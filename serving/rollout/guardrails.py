"""Guardrails: commands of the user's own that may stop a rollout."""

from __future__ import annotations

import json
import shlex
import subprocess

from hilir.serving.errors import ServingConfigError
from hilir.serving.releases.actor import make_printable
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.gates import Decision, Verdict

CONTINUE, WAIT = 0, 75
"""Exit codes: continue; not known yet (EX_TEMPFAIL of sysexits.h). Every other one rolls back."""

_SECONDS = 60.0


class Guardrail:
    """A command that gets the rollout as JSON on its standard input, and decides by its exit code.

    Args:
        command: words as in a shell, without one.

    Raises:
        ServingConfigError: the command cannot be read.
    """

    def __init__(self, command: str) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ServingConfigError(f"--guardrail {make_printable(command)}: {error}; close what is open") from None
        if not self._words:
            raise ServingConfigError("--guardrail: name a command, like --guardrail './check_orders.sh'")
        self._name = f"guardrail {make_printable(self._words[0])}"

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """Runs the command; see `Gate`."""
        content = {
            "model": state.model,
            "stable": state.stable,
            "candidate": rollout.version,
            "percent": rollout.percent,
            "step": rollout.step,
            "since": rollout.since,
            "over": over,
            "epochs": [
                {"at": event.at, "percent": event.percent}
                for event in state.history
                if event.verb == "rollout" and event.version == rollout.version
            ],
        }
        try:
            done = subprocess.run(
                self._words, input=json.dumps(content), capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Verdict(self._name, Decision.WAIT, f"gave no answer within {_SECONDS:g} s")
        except OSError as error:
            return Verdict(self._name, Decision.WAIT, f"cannot be run ({error.strerror})")
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        fact = f"exit code {done.returncode}" + (f": {make_printable(lines[-1])}" if lines else "")
        decision = {CONTINUE: Decision.CONTINUE, WAIT: Decision.WAIT}.get(done.returncode, Decision.ROLL_BACK)
        return Verdict(self._name, decision, fact)
