"""The metrics of an experiment, as the command line has them.

    proportion:bought                   share of users with at least one `bought` above 0
    mean:spent:covariate=spent_before   sum of `spent` a user, less what the covariate explains (CUPED)
    ratio:clicks/impressions            sum of one over sum of the other
    quantile:latency_ms:q=0.95          a quantile over users of their value

Names are those of outcomes; `requests`, `errors` and `latency_ms` come from the access log: a user's requests, how many
of them failed, and the latency of the user's first request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hilir.serving.errors import ServingConfigError

Kind = Literal["proportion", "mean", "ratio", "quantile"]
REQUESTS, ERRORS, LATENCY = "requests", "errors", "latency_ms"
LOGGED = (REQUESTS, ERRORS, LATENCY)

_OPTIONS: dict[str, tuple[str, ...]] = {
    "proportion": ("better", "margin"),
    "mean": ("better", "margin", "covariate"),
    "ratio": ("better", "margin"),
    "quantile": ("better", "margin", "q"),
}
_HELP = "write KIND:NAME like proportion:bought, mean:spent, ratio:errors/requests or quantile:latency_ms:q=0.95"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        text: as it was written.
        kind: how users are summed up.
        source: the outcome, or the logged quantity.
        per: the denominator of a ratio.
        better: which way is better.
        margin: of a guardrail: how much worse is still accepted, absolute.
        covariate: outcome from before a user's first request.
        q: the quantile.
    """

    text: str
    kind: Kind
    source: str
    per: str = ""
    better: Literal["up", "down"] = "up"
    margin: float = 0.0
    covariate: str = ""
    q: float = 0.5

    @property
    def sources(self) -> tuple[str, ...]:
        """What it is made of."""
        return tuple(name for name in (self.source, self.per, self.covariate) if name)

    @property
    def title(self) -> str:
        """What people call it."""
        match self.kind:
            case "proportion":
                return f"users with {self.source}"
            case "mean":
                return f"{self.source} per user"
            case "ratio":
                return f"{self.source} per {'request' if self.per == REQUESTS else self.per}"
            case "quantile":
                return f"{self.source}, {self.q:.4g} quantile"

    @property
    def sign(self) -> int:
        """1 if more is better, else -1."""
        return 1 if self.better == "up" else -1


def parse_metric(text: str) -> Metric:
    """Returns the metric that a string means.

    Raises:
        ServingConfigError: it means none.
    """
    kind, _, rest = text.partition(":")
    source, *options = rest.split(":")
    if kind not in get_args(Kind) or not source or not text.isprintable():
        raise ServingConfigError(f"{text!r} is not a metric; {_HELP}")
    source, slash, per = source.partition("/")
    if (kind == "ratio") != bool(slash) or bool(slash) != bool(per) or not source:
        raise ServingConfigError(f"{text!r}: a ratio is of two names, like ratio:clicks/impressions, others are of one")
    values = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name not in _OPTIONS[kind] or not equals or not value:
            raise ServingConfigError(f"{text!r}: {option!r} is not an option of a {kind}; {_options(kind)}")
        values[name] = value
    better = values.get("better", "down" if source in (ERRORS, LATENCY) else "up")
    if better not in ("up", "down"):
        raise ServingConfigError(f"{text!r}: better is 'up' or 'down', not {better!r}")
    margin = _number(text, "margin", values.get("margin", "0"), 0.0, 1e300)
    q = _number(text, "q", values.get("q", "0.5"), 0.001, 0.999)
    if kind != "quantile" and LATENCY in (source, per):
        raise ServingConfigError(f"{text!r}: {LATENCY} is for quantiles, like quantile:{LATENCY}:q=0.95")
    return Metric(text, kind, source, per, better, margin, values.get("covariate", ""), q)  # type: ignore[arg-type]


def parse_metrics(texts: tuple[str, ...]) -> list[Metric]:
    """Returns the metrics that strings mean.

    Raises:
        ServingConfigError: one means none, or two are the same.
    """
    found = [parse_metric(text) for text in texts]
    for place, metric in enumerate(found):
        if metric.text in texts[:place]:
            raise ServingConfigError(f"{metric.text!r} is given twice; give each metric once")
    return found


def _options(kind: str) -> str:
    return "it takes " + ", ".join(f"{name}=…" for name in _OPTIONS[kind])


def _number(text: str, name: str, value: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise ServingConfigError(f"{text!r}: {name} is {value!r}; it must be a number from {low:g} to {high:g}")
    return number
