"""From a shift in the traffic to a better version, and from a bad version back: what happens, and what was seen."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hilir.serving.monitor.window_store import MonitorStore, StoredWindow, has_state
from tests.loop.processes import Running
from tests.loop.shop import MODEL
from tests.loop.small_versions import make_faulty_version, push_version
from tests.loop.traffic import sending

RATE = 100
WATCHER, ANALYST, ENGINEER = "hilir-watch", "ana", "emil"
# On a busy machine the 99th percentile of few requests is anything.
LATENCY = ["--max-latency-ratio", "50"]
ROLLOUT = ["--steps", "10,50", "--hold", "5s", *LATENCY]


@dataclass
class Seen:
    """What the processes wrote, and when things happened, in seconds of the epoch."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)
    rolled_back: str = ""
    history: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def mark(self, what: str) -> None:
        self.times[what] = time.time()
        print(f"{self.times[what] - min(self.times.values()):7.1f} s  {what}", flush=True)

    def failed(self) -> list[dict[str, Any]]:
        return [each for each in self.answers if each["status"] != "ok"]

    def rates(self) -> tuple[float, float]:
        """Requests per second from first to last, and in the slowest ten seconds."""
        sent = sorted(each["sent"] for each in self.answers if each["protocol"] != "outcomes")
        tens = Counter(int((at - sent[0]) // 10) for at in sent)
        full = [count / 10 for number, count in tens.items() if number < max(tens)]
        return len(sent) / (sent[-1] - sent[0]), min(full)


def tell(running: Running, shift: Callable[[], None], patience: float) -> Seen:
    """Lets it happen, under traffic from first to last.

    Args:
        running: a project whose version 1 is pushed, and that nothing serves yet.
        shift: what else happens when the traffic shifts.
        patience: seconds to wait for a version that a run is to push, and for its rollout.
    """
    seen, options = Seen(), running.release_options
    running.start_serving()
    seen.mark("server, gateway and collector answer")
    for verb in (("stage", "1"), ("promote",)):
        running.call("release", *verb, *options, actor=ENGINEER)
    running.start("monitor", "monitor", "run", running.config.name)
    running.start("watch", "watch", running.config.name, actor=WATCHER)
    with ThreadPoolExecutor(1) as pool, sending(running.url, running.rpc, RATE) as answers:
        seen.mark("traffic")
        running.wait(lambda: len(read_windows(running, 1)) >= 2, 120, "two windows of clean traffic")
        shift()
        answers.tell("1.0")
        seen.mark("the traffic shifts")
        running.wait(lambda: find_alarm(running), 120, "an alarm")
        seen.mark("alarm")
        running.wait(lambda: find_event(running, "rollout"), patience, "a rollout")
        seen.mark("rollout of version 2")
        # In the meantime somebody makes the next version, which is not as good.
        making = pool.submit(make_faulty_version, running.root)
        running.wait(lambda: find_event(running, "rollout-end"), patience, "the end of the rollout")
        seen.mark("version 2 has half of the traffic")
        try_out(running, seen)
        making.result()
        fail(running, seen)
        running.wait(lambda: find_realised(running, 2), 120, "realised quality of version 2")
        # What Envoy and the monitor know now is about requests that are over.
        seen.drift = json.loads(running.call("monitor", "drift", running.config.name, "--json"))
        seen.run = json.loads(running.call("watch", "status", running.config.name, "--json"))["runs"][0]
        seen.figures = json.loads(running.call("release", "show", *options, "--json"))
    seen.answers = list(answers)
    seen.history = running.call("release", "history", "--model", MODEL)
    return seen


def try_out(running: Running, seen: Seen) -> None:
    """The analyst has an experiment with the version, which its report ends."""
    options = running.release_options
    running.call(
        "experiment", "start", "sensor", "--candidate", "2", "--metric", "proportion:content",
        "--guardrail", "ratio:errors/requests:margin=0.01", "--planned", "1500", "--window", "2s", "--least-days", "0",
        *options, actor=ANALYST,
    )  # fmt: skip
    seen.mark("experiment")
    words = ["--model", MODEL, "--outcomes", "out/outcomes.sqlite", "--request-log", "log/requests"]

    def decided() -> bool:
        seen.report = json.loads(running.call("experiment", "report", *words, "--json"))
        return seen.report["conclusion"]["status"] not in ("undecided", "empty")

    running.wait(decided, 180, "a decision")
    seen.mark("the experiment is decided")
    running.call("experiment", "stop", "--why", seen.report["conclusion"]["words"], *options, actor=ANALYST)
    running.call("release", "promote", *options, actor=ANALYST)
    seen.mark("version 2 is stable")


def fail(running: Running, seen: Seen) -> None:
    """The engineer rolls out a version with errors."""
    running.call("release", "adopt", str(push_version(running.root, 3)))
    words = ["release", "rollout", "3", "--steps", "50,100", "--hold", "60s", *LATENCY, *running.release_options]
    seen.mark("rollout of version 3")
    running.call(*words, actor=ENGINEER, code=5)
    seen.mark("rolled back")
    (event,) = [each for each in running.state()["history"] if each["verb"] == "rollout-stop"]
    seen.rolled_back = event["why"]
    seen.times["the rollback is stored"] = datetime.fromisoformat(event["at"]).timestamp()


def read_windows(running: Running, version: int) -> list[StoredWindow]:
    """The closed windows of a version that the monitor has stored."""
    folder = running.folder / "out" / "monitor" / MODEL
    return [each for each in MonitorStore(folder).windows() if each.version == version] if has_state(folder) else []


def find_alarm(running: Running) -> bool:
    return any(each.result.level == "alarm" for each in read_windows(running, 1))


def find_realised(running: Running, version: int) -> bool:
    """Whether outcomes of a version's windows have been measured; the monitor looks for them every half minute."""
    return any(metric.kind == "realised" for each in read_windows(running, version) for metric in each.result.quality)


def find_event(running: Running, verb: str) -> bool:
    return any(each["verb"] == verb for each in running.state()["history"])


def verify(seen: Seen) -> None:
    """Every verdict is one that the processes came to, of what they wrote."""
    verify_answers(seen)
    verify_drift(seen)
    (firing,) = seen.run["firings"]
    assert (seen.run["state"], firing["what"]) == ("succeeded", "drift")
    assert re.search(r"\bsize\b.* of version 1 differ.* in 2 windows in a row", firing["why"]), firing
    assert seen.report["conclusion"]["status"] == "better", seen.report["conclusion"]
    assert seen.report["mismatch_p"] > 0.001
    verify_history(seen)


def verify_answers(seen: Seen) -> None:
    """No request failed but those that met version 3's error, which end with its rollback."""
    failed = seen.failed()
    assert {each["version"] for each in failed} == {"3"}, [each for each in failed if each["version"] != "3"][:5]
    assert {each["protocol"] for each in failed} == {"REST", "gRPC"}
    assert all(each["status"] in ("400", "INVALID_ARGUMENT") for each in failed)
    first = min(each["sent"] for each in failed)
    assert first > seen.times["rollout of version 3"]
    # A request may be sent before the rollback and answered after it.
    assert max(each["sent"] for each in failed) < seen.times["the rollback is stored"] + 1
    assert {each["version"] for each in seen.answers if each["protocol"] != "outcomes"} == {"1", "2", "3"}
    after = [each for each in seen.answers if each["sent"] > seen.times["rolled back"] and each["version"]]
    assert after
    assert {each["version"] for each in after} == {"2"}
    # Envoy counted what the callers saw.
    counted = seen.figures["figures"]["versions"]
    assert counted["3"]["errors"] == len(failed), counted


def verify_drift(seen: Seen) -> None:
    """Version 1's size is at alarm after the shift and not before; version 2 has learned from the new sensor."""
    shifted = seen.times["the traffic shifts"]
    before = [each for each in seen.drift["windows"] if each["last"] < shifted]
    assert before
    assert "alarm" not in {each["level"] for each in before}
    size = {each["version"]: each for each in seen.drift["features"] if each["worst"]["name"] == "size"}
    assert size[1]["level"] == "alarm"
    assert size[2]["level"] in ("none", "seen"), size[2]
    realised = {
        version: [
            metric["is_worse"]
            for window in seen.drift["windows"] if window["version"] == version and window["first"] > shifted
            for metric in window["quality"] if (metric["kind"], metric["metric"]) == ("realised", "accuracy")
        ]
        for version in (1, 2)
    }  # fmt: skip
    assert all(realised[1]), realised
    assert not any(realised[2]), realised
    assert realised[1]
    assert realised[2]


def verify_history(seen: Seen) -> None:
    """The history tells what happened, and who did it."""
    lines = [line.split("  ", 1)[1] for line in seen.history.splitlines()]
    told = [(re.match(r"[a-z-]+( \d+)?", line)[0], re.search(r"; by (\S+)", line)[1]) for line in lines]
    # How a version gets ready depends on what the server has loaded.
    assert [each for each in told if not each[0].startswith(("load", "verify"))] == [
        ("stage 1", ENGINEER),
        ("promote 1", ENGINEER),
        ("stage 2", WATCHER),
        ("rollout 2", WATCHER),
        ("rollout 2", WATCHER),
        ("rollout-end 2", WATCHER),
        ("experiment-start 2", ANALYST),
        ("experiment-stop 2", ANALYST),
        ("promote 2", ANALYST),
        ("stage 3", ENGINEER),
        ("rollout 3", ENGINEER),
        ("rollout-stop 3", ENGINEER),
    ], seen.history
    assert "pushed by hilir watch" in seen.history
    assert re.search(r"experiment-stop 2: .*version 2 is better in users with content", seen.history), seen.history
    assert "errors" in seen.rolled_back


def verify_notifications(lines: list[str]) -> None:
    """A receiver that verifies signatures was told of the ends of the rollouts."""
    told = [re.match(rf"{MODEL}: ([a-z-]+ \d)", line)[1] for line in lines]
    assert told == ["rollout-end 2", "rollout-stop 3"], lines
    assert [re.search(r"; by (\S+)", line)[1] for line in lines] == [WATCHER, ENGINEER]


def describe(seen: Seen) -> str:
    """The figures, for whoever looks at the test's output."""
    at, failed = seen.times, seen.failed()
    overall, slowest = seen.rates()
    first = min((each["sent"] for each in failed), default=math.nan)
    return (
        f"{len(seen.answers):,} requests, {overall:.1f} per second, {slowest:.1f} in the slowest ten seconds; "
        f"shift to alarm {at['alarm'] - at['the traffic shifts']:.1f} s, "
        f"first error to rollback {at['the rollback is stored'] - first:.1f} s, {len(failed)} errors\n{seen.history}"
    )
