"""What a verb does between two states: stores the new one, has targets follow it, and waits until they have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hilir.serving.errors import ReleaseRefused, TargetError
from hilir.serving.release import transitions
from hilir.serving.release.targets import Target, describe_split, find_missing
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State, same_release

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Transaction:
    """What a verb works with.

    Attributes:
        store: the states.
        model: whose release it is.
        servers: what loads versions.
        gateway: what splits the traffic; None where there is none.
        replay_golden: replays the golden requests of a version; returns how many.
        echo: prints a line.
        offline: no server runs yet, so that nothing can be verified.
        dry_run: print what would be done, and change nothing.
        timeout: seconds to wait for a target.
        why: goes into the history.
        actor: who runs the verb; goes into the history.
        served_root: the serving root as the servers see it; None leaves that as it is.
        notify: hands over what was stored; must not wait.
    """

    store: Store
    model: str
    servers: Target
    gateway: Target | None
    replay_golden: Callable[[int], int]
    echo: Callable[[str], None]
    offline: bool = False
    dry_run: bool = False
    timeout: float = 300.0
    why: str = ""
    actor: str = ""
    served_root: str | None = None
    notify: Callable[[State], None] = lambda _state: None

    def read(self) -> State:
        """Returns the state as it is stored."""
        return self.store.read(self.model)

    def save(self, before: State, after: State, verb: str, version: int | None, why: str | None = None) -> State:
        """Stores what a verb made of a state, with its place in the history; the same state is not stored again.

        Args:
            before: the state that was read.
            after: what the verb made of it.
            verb: its name.
            version: the version that it is about.
            why: goes into the history; None for what the user gave.

        Raises:
            ReleaseRefused: somebody else changed the release in the meantime.
        """
        if same_release(before, after):
            return before
        if self.dry_run:
            self.echo(f"would write: {describe(after)}")
            return after
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        reason = self.why if why is None else why
        written = self.store.write(transitions.record(after, verb, version, now, reason, self.actor))
        self.notify(written)
        return written

    def settle(self, state: State, *targets: Target | None, patient: bool = False) -> None:
        """Has targets follow a stored state, one after the other, and waits for each.

        Args:
            state: a stored state.
            targets: in the order in which they are to follow; None is skipped.
            patient: a target that does not answer is only reported; it follows the files when it is back.

        Raises:
            ReleaseRefused: a version does not load.
            TargetError: a target does not arrive in time.
        """
        for target in targets:
            if target is None:
                continue
            if self.dry_run:
                missing = find_missing(state, target.observe())
                self.echo(f"would change the {target.name}: " + ("; ".join(missing) or "nothing to change"))
                continue
            target.apply(state)
            self._wait(state, target, patient)

    def _wait(self, state: State, target: Target, patient: bool) -> None:
        deadline = time.monotonic() + self.timeout
        while True:
            seen = target.observe()
            missing = find_missing(state, seen)
            if not missing:
                return
            if patient and seen.silent:
                self.echo(f"the {target.name} follow when they answer again: {'; '.join(seen.silent)}")
                return
            now = self.read()
            if now.revision != state.revision:
                last = now.history[-1]
                self.echo(f"'{last.verb}' came in between, and holds now; see 'hilir release history'")
                return
            failed = [number for number in state.loaded if (seen.versions or {}).get(number) == "END"]
            if failed and failed[0] in seen.errors:
                raise ReleaseRefused(
                    f"{self.model}: version {failed[0]} does not load: {seen.errors[failed[0]]}; push another one"
                )
            if time.monotonic() >= deadline:
                raise TargetError(
                    f"{self.model}: after {self.timeout:g} s the {target.name} have not followed: "
                    f"{'; '.join(missing)}; look at their logs and repeat this command"
                )
            time.sleep(_POLL_SECONDS)

    def require_answer(self, *targets: Target | None) -> None:
        """Makes sure before anything is changed that targets are there.

        Raises:
            TargetError: one does not answer.
        """
        for target in targets:
            seen = target.observe() if target is not None else None
            if seen is not None and (seen.silent or not seen.replicas):
                fault = "; ".join(seen.silent) or "none was found"
                name = target.name if target is not None else ""
                raise TargetError(f"{self.model}: the {name} do not all answer, nothing was changed: {fault}")


def describe(state: State) -> str:
    """Returns a state in one line."""
    labels = ", ".join(f"{label} {number}" for label, number in sorted(state.labels.items())) or "no labels"
    loaded = ", ".join(map(str, state.loaded)) or "nothing"
    shadow = f"; shadow {state.shadow:g} %" if state.shadow else ""
    traffic = describe_split(state.traffic) if state.loaded else "the newest version, nothing is released"
    experiment = f"; experiment {state.experiment.name}" if state.experiment is not None else ""
    return f"{labels}; loaded {loaded}; traffic: {traffic}{shadow}{experiment}"
