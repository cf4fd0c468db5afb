"""Carries a rollout out: holds, asks the gates, gives the next share or rolls back.

All that it needs to continue is in the release's state. Each change is one write of that state, and targets follow it;
so a process that was killed at any moment is started again with the same command, and comes to the same end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from hilir.serving.errors import ReleaseRefused
from hilir.serving.gateway.counters import Counted
from hilir.serving.release import transitions
from hilir.serving.release.transaction import Transaction
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import Event, State
from hilir.serving.rollout.evidence import Evidence, take_baseline
from hilir.serving.rollout.gates import Decision, Gate, Verdict, decide, judge_counters
from hilir.serving.rollout.plan import describe_duration

STEP, STOPPED, ENDED = "rollout", "rollout-stop", "rollout-end"
"""What the history calls a step, the end that a gate made, and the end of a plan whose last share is not 100 %."""

_LOCK_FILE = ".rollout.lock"
# Seconds between two lines about a rollout that waits.
_REMIND = 60.0


@dataclass
class Runner:
    """One process that carries a rollout out.

    Attributes:
        transaction: the release.
        stage: loads and verifies a version, and makes it the candidate.
        count: reads the counters of the gateways; None where there are none, and no gate needs them.
        gates: further gates.
        every: seconds between two looks.
    """

    transaction: Transaction
    stage: Callable[[int], State]
    count: Callable[[], Mapping[str, Counted]] | None
    gates: Sequence[Gate] = ()
    every: float = 1.0

    def run(self, wanted: Rollout, retry: bool = False) -> State:
        """Starts or continues a rollout and returns when the version has the traffic of the last step.

        Args:
            wanted: the plan; one that is in progress keeps its own, which must be the same.
            retry: try a version again that was rolled back.

        Raises:
            ReleaseRefused: a gate rolled the version back, somebody ended the rollout, or it may not start.
            TargetError: servers or gateway do not answer or do not follow.
        """
        with self._alone():
            state = self.transaction.read()
            if state.rollout is None or state.rollout.version != wanted.version:
                if is_done(state, wanted):
                    self._settle(state)
                    self._echo(f"version {wanted.version} is {_describe_share(state, wanted.version)} already")
                    return state
                state = self._start(state, wanted, retry)
            else:
                self._check_same(state, state.rollout, wanted)
                self._echo(f"continuing: {_describe_step(state.rollout)}")
            self._settle(state)
            return self._carry_out(state)

    def _carry_out(self, state: State) -> State:
        version = state.candidate
        while (rollout := state.rollout) is not None:
            if rollout.is_last and rollout.percent >= 100:
                return self._promote(state, rollout)
            state = self._hold(state, rollout)
        if state.labels.get("candidate") != version and state.stable != version:
            raise ReleaseRefused(_describe_end(state, version))
        return state

    def _hold(self, state: State, rollout: Rollout) -> State:
        """Waits until the gates let the next step begin; returns the state that follows this step."""
        assert state.stable is not None
        evidence, reminded = Evidence(rollout, state.stable), -math.inf
        # What another process held is known by dates only; from here on by a clock that nobody sets.
        began = time.monotonic() - _held_before(rollout)
        while True:
            counted = self.count() if self.count is not None else {}
            evidence.update(counted)
            over = time.monotonic() - began >= rollout.hold_seconds
            verdicts = self._judge(state, rollout, evidence, over)
            state = self.transaction.read()
            if state.rollout != rollout:
                return state
            if decide(verdicts) is Decision.ROLL_BACK:
                return self._roll_back(state, rollout, verdicts)
            if over and decide(verdicts) is Decision.CONTINUE:
                return self._advance(state, rollout, evidence, verdicts)
            waiting = [str(verdict) for verdict in verdicts if verdict.decision is Decision.WAIT]
            if over and time.monotonic() - reminded >= _REMIND:
                self._echo(f"waiting at {rollout.percent:g} %: {'; '.join(waiting)}")
                reminded = time.monotonic()
            left = rollout.hold_seconds - (time.monotonic() - began)
            time.sleep(min(self.every, left) if left > 0 else self.every)

    def _judge(self, state: State, rollout: Rollout, evidence: Evidence, over: bool) -> list[Verdict]:
        verdicts = judge_counters(rollout, evidence) if self.count is not None else []
        verdicts += [found for gate in self.gates if (found := gate.judge(state, rollout, over)) is not None]
        return verdicts

    def _start(self, state: State, wanted: Rollout, retry: bool) -> State:
        failed = find_failure(state, wanted.version)
        if failed is not None and not retry:
            # A process that was killed may have left targets behind.
            self._settle(state)
            raise ReleaseRefused(
                f"{state.model}: version {wanted.version} was rolled back at {failed.at}: {failed.why}; "
                "push a version that is better, or give this one another trial with --retry"
            )
        transitions.follow(transitions.share(self.stage(wanted.version), wanted.version, 0.0), wanted)
        return self._enter(self.transaction.read(), wanted, "" if wanted.percent else _describe_copies(wanted))

    def _enter(self, state: State, rollout: Rollout, why: str) -> State:
        """Stores the beginning of a step, with the counters until then."""
        assert state.stable is not None
        counted = self.count() if self.count is not None else {}
        entered = rollout.model_copy(
            update={
                "since": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "baseline": take_baseline(counted, rollout, state.stable),
            }
        )
        after = transitions.follow(state, entered)
        state = self.transaction.save(state, after, STEP, rollout.version, why or None)
        self._echo(_describe_step(entered))
        return state

    def _advance(self, state: State, rollout: Rollout, evidence: Evidence, verdicts: list[Verdict]) -> State:
        why = "; ".join(map(str, verdicts))
        for verdict in verdicts:
            self._echo(f"  {verdict}")
        if rollout.is_last:
            return self._finish(state, rollout, why)
        state = self._enter(
            state, rollout.model_copy(update={"step": rollout.step + 1, "evidence": evidence.close()}), why
        )
        self._settle(state)
        return state

    def _finish(self, state: State, rollout: Rollout, why: str) -> State:
        """Ends a rollout whose last step leaves stable a share."""
        after = transitions.end_rollout(state)
        state = self.transaction.save(state, after, ENDED, rollout.version, why)
        self._echo(f"done: version {rollout.version} stays at {rollout.percent:g} %; promote or abort it")
        return state

    def _promote(self, state: State, rollout: Rollout) -> State:
        state = self.transaction.save(state, transitions.complete(state), "promote", rollout.version)
        self._settle(state)
        self._echo(f"done: version {rollout.version} is stable")
        return state

    def _roll_back(self, state: State, rollout: Rollout, verdicts: list[Verdict]) -> State:
        bad = [verdict for verdict in verdicts if verdict.decision is Decision.ROLL_BACK]
        why = f"at {rollout.percent:g} %: {'; '.join(map(str, bad))}"
        state = self.transaction.save(state, transitions.abort(state), STOPPED, rollout.version, why)
        # At the gateway first: it ends the candidate's requests.
        transaction = self.transaction
        transaction.settle(state, transaction.gateway, transaction.servers, patient=True)
        self._echo(f"rolled back: version {rollout.version} has no traffic; {why}")
        return state

    def _check_same(self, state: State, rollout: Rollout, wanted: Rollout) -> None:
        fields = ("steps", "hold_seconds", "shadow", "gates")
        other = [name for name in fields if getattr(rollout, name) != getattr(wanted, name)]
        if other:
            raise ReleaseRefused(
                f"{state.model}: version {rollout.version} is rolled out already, with another plan "
                f"({', '.join(other)}); leave the options out to continue it, or end it with 'hilir release abort'"
            )

    def _settle(self, state: State) -> None:
        self.transaction.settle(state, self.transaction.servers, self.transaction.gateway, patient=True)

    def _echo(self, line: str) -> None:
        self.transaction.echo(f"{self.transaction.model}: {line}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps a second process from the same rollout; the kernel releases it when this one ends."""
        path = Path(self.transaction.store.root) / self.transaction.model / _LOCK_FILE
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout:
            raise ReleaseRefused(
                f"{path}: another process carries out this rollout; look at 'hilir release show', "
                "or end it with 'hilir release abort'"
            ) from None


def is_done(state: State, wanted: Rollout) -> bool:
    """Whether a version has what the plan's last step gives it, by a rollout or by a promotion."""
    if state.stable == wanted.version:
        return True
    last = next((event.verb for event in reversed(state.history) if event.version == wanted.version), "")
    return last == ENDED and state.candidate == wanted.version and state.percent == wanted.steps[-1]


def find_failure(state: State, version: int) -> Event | None:
    """Returns the event in which the last rollout of a version was rolled back; None if it was not."""
    for event in reversed(state.history):
        if event.version == version and event.verb in (STOPPED, STEP, "canary", "promote"):
            return event if event.verb == STOPPED else None
    return None


def _held_before(rollout: Rollout) -> float:
    """Seconds since the step began, by the dates; none if the clock has been set back since."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(rollout.since)).total_seconds())


def _describe_step(rollout: Rollout) -> str:
    share = f"{rollout.percent:g} %" if rollout.percent else _describe_copies(rollout)
    hold = "" if rollout.percent >= 100 else f" for {describe_duration(rollout.hold_seconds)}"
    return f"step {rollout.step + 1} of {len(rollout.steps)}: version {rollout.version} gets {share}{hold}"


def _describe_share(state: State, version: int) -> str:
    return "stable" if state.stable == version else f"at {state.percent:g} %"


def _describe_copies(rollout: Rollout) -> str:
    return f"a copy of {rollout.shadow:g} % of stable's requests"


def _describe_end(state: State, version: int | None) -> str:
    last = state.history[-1]
    by = f" by {last.actor}" if last.actor else ""
    if last.verb == STOPPED:
        return f"{state.model}: version {version} was rolled back: {last.why}; 'hilir release history' has all steps"
    return f"{state.model}: the rollout of version {version} was ended by '{last.verb}'{by}"
