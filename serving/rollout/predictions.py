"""Gates on what the versions answer: drift of the candidate's predictions, and differences on copied requests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hilir.analysis.drift import MIN_ROWS, Level, compare, count_window
from hilir.analysis.reference import FeatureReference, name_category, summarize_categories, summarize_numbers
from hilir.serving.experiment.statistics.bernoulli import share_interval
from hilir.serving.experiment.statistics.boundaries import look
from hilir.serving.experiment.statistics.estimates import sum_values
from hilir.serving.releases.actor import make_printable
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State
from hilir.serving.request_log.request import Column, Request, Value
from hilir.serving.rollout.gates import ALPHA, Decision, Verdict
from hilir.serving.rollout.step_predictions import StepLog

# Copied requests at which the interval of flips is closest; fixed before the data.
_PLANNED = 1000.0
# An output with more numbers a row than this is no list of classes.
_MOST_SCORES = 1000


class PredictionDrift:
    """Compares the candidate's predictions with stable's of the same step: one look, when the step has lasted."""

    def __init__(self, log: StepLog) -> None:
        self._log = log
        self._found: tuple[str, Verdict] | None = None

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """See `Gate`."""
        self._log.begin(rollout.since)
        if not over or not rollout.percent or rollout.gates.drift is None or state.stable is None:
            return None
        if self._found is None or self._found[0] != rollout.since:
            verdict = self._look(state.stable, state.model, rollout)
            if verdict.decision is Decision.WAIT:
                return verdict
            self._found = (rollout.since, verdict)
        return self._found[1]

    def _look(self, stable: int, model: str, rollout: Rollout) -> Verdict:
        columns: dict[int, dict[str, list[Any]]] = {stable: defaultdict(list), rollout.version: defaultdict(list)}
        for request in self._log.read(model):
            if request.version in columns:
                for name, values in split_outputs(request.outputs).items():
                    columns[request.version][name] += values
        before, now = columns[stable], columns[rollout.version]
        rows = [max(map(len, side.values()), default=0) for side in (before, now)]
        if min(rows) < MIN_ROWS:
            fact = f"{rows[1]:,} logged predictions, stable has {rows[0]:,}; each needs {MIN_ROWS}"
            return Verdict("drift", Decision.WAIT, fact)
        names = [name for name in before if len(before[name]) >= MIN_ROWS and len(now.get(name, ())) >= MIN_ROWS]
        references = {name: summarize(before[name]) for name in names}
        windows = {name: _count(references[name], now[name]) for name in names}
        found = compare(references, windows, ALPHA / len(rollout.steps))
        if not found:
            return Verdict("drift", Decision.WAIT, "the logged predictions have no output that both versions give")
        worst = found[0]
        fact = (
            f"{worst.level.name.lower()} in {make_printable(worst.feature)}, Jensen-Shannon divergence "
            f"{worst.size:.3f} bit ({rows[1]:,} predictions against {rows[0]:,})"
        )
        limit = Level.WARN if rollout.gates.drift == "warn" else Level.ALARM
        return Verdict("drift", Decision.ROLL_BACK if worst.level >= limit else Decision.CONTINUE, fact)


class ShadowDifferences:
    """Compares the answers to copied requests, before the candidate has a user of its own.

    Args:
        log: of servers that log the id of a request.
    """

    def __init__(self, log: StepLog) -> None:
        self._log = log

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """See `Gate`."""
        self._log.begin(rollout.since)
        if not over or rollout.percent or state.stable is None:
            return None
        pairs = list(pair_answers(self._log.read(state.model), state.stable, rollout.version))
        wanted = max(rollout.gates.min_requests, 1)
        if len(pairs) < wanted:
            fact = f"{len(pairs):,} requests were logged with both answers, at least {wanted:,} are needed"
            return Verdict("shadow", Decision.WAIT, fact)
        return judge_pairs(pairs, rollout.gates.max_flips, ALPHA)


Answers = dict[str, list[Any]]


def pair_answers(found: Iterable[Request], stable: int, candidate: int) -> Iterator[tuple[Answers, Answers]]:
    """Yields both answers to each request that both versions were given: the copy has the original's id."""
    waiting: dict[str, tuple[int, Answers]] = {}
    for request in found:
        if request.version not in (stable, candidate) or not request.request_id:
            continue
        values, other = split_outputs(request.outputs), waiting.get(request.request_id)
        if other is None:
            waiting[request.request_id] = (request.version, values)
        elif other[0] != request.version:
            del waiting[request.request_id]
            yield (other[1], values) if other[0] == stable else (values, other[1])


def judge_pairs(pairs: Sequence[tuple[Answers, Answers]], max_flips: float, alpha: float) -> Verdict:
    """Returns the verdict on pairs of answers: rolls back if certainly more flip than may.

    A flip is another class, or a number that differs by more than a standard deviation of stable's numbers. Flips are
    counted per request, since the rows of one depend on each other.
    """
    names = sorted({name for one, other in pairs for name in one.keys() & other.keys()})
    flips: np.ndarray = np.zeros(len(pairs), bool)
    facts: list[str] = []
    for name in names:
        both = [(one.get(name, []), other.get(name, [])) for one, other in pairs]
        if any(isinstance(value, str) for one, _ in both for value in one):
            flips |= np.array([one != other for one, other in both])
            continue
        stable = np.array([value for one, _ in both for value in one])
        # Where stable always gives the same number, its last digits are no difference.
        spread = max(float(np.std(stable)), 1e-6 * float(np.max(np.abs(stable), initial=0.0)))
        differences = [np.subtract(other, one) if len(one) == len(other) else np.array([]) for one, other in both]
        flips |= np.array([bool(np.any(np.abs(each) > spread)) for each in differences])
        means = np.array([each.mean() for each in differences if each.size])
        if means.size > 1:
            arm = sum_values(means)
            error = math.sqrt(max(arm.variance, 0.0) / means.size)
            interval = look(arm.mean, error, means.size, _PLANNED, alpha)
            ends = f"{interval.low:+.3g} to {interval.high:+.3g}" if math.isfinite(interval.low) else "always"
            facts.append(f"{make_printable(name)} differs by {arm.mean:+.3g} on average ({ends})")
    count = int(flips.sum())
    low, high = share_interval(count, len(pairs), _PLANNED, alpha)
    facts.insert(0, f"{count:,} of {len(pairs):,} requests flip ({low:.1%} to {high:.1%}), limit {max_flips:.0%}")
    if low > max_flips:
        return Verdict("shadow", Decision.ROLL_BACK, "; ".join(facts))
    decision = Decision.CONTINUE if count / len(pairs) <= max_flips else Decision.WAIT
    return Verdict("shadow", decision, "; ".join(facts))


def split_outputs(outputs: Mapping[str, Column]) -> Answers:
    """Returns one value per row and output: the number, the string, or of several scores the place of the highest.

    What is none of these (images, rows without a value) is left out.
    """
    found: Answers = {}
    for name, rows in outputs.items():
        values = [_describe_row(row) for row in rows]
        if values and len({type(value) for value in values}) == 1 and values[0] is not None:
            found[name] = values
    return found


def _describe_row(row: Sequence[Value]) -> float | str | None:
    if len(row) == 1:
        value = row[0]
        return name_category(value) if isinstance(value, str | bytes) else value
    scores = [value for value in row if isinstance(value, float)]
    if 1 < len(scores) == len(row) <= _MOST_SCORES:
        return f"class {int(np.argmax(scores))}"
    return None


def summarize(values: list[Any]) -> FeatureReference:
    """Returns the reference of a column, whose bins the other version's values are counted in."""
    if isinstance(values[0], str):
        return summarize_categories(values, len(values), 0)
    return summarize_numbers(np.asarray(values, np.float64))


def _count(reference: FeatureReference, values: list[Any]) -> FeatureReference:
    present = [value for value in values if not (isinstance(value, float) and math.isnan(value))]
    return count_window(reference, present, len(values), len(values) - len(present))
