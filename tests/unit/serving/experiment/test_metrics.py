import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.experiment_metrics import parse_metric, parse_metrics


def test_a_metric_is_kind_name_and_options():
    found = parse_metric("mean:spent:covariate=spent_before:better=down")
    assert (found.kind, found.source, found.covariate, found.sign) == ("mean", "spent", "spent_before", -1)
    assert found.sources == ("spent", "spent_before")
    found = parse_metric("ratio:errors/requests:margin=0.01")
    assert (found.source, found.per, found.margin, found.better) == ("errors", "requests", 0.01, "down")
    found = parse_metric("quantile:latency_ms:q=0.95")
    assert (found.q, found.better, found.title) == (0.95, "down", "latency_ms, 0.95 quantile")
    assert parse_metric("proportion:bought").title == "users with bought"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bought", "'bought' is not a metric; write KIND:NAME like"),
        ("median:x", "'median:x' is not a metric"),
        ("mean:", "'mean:' is not a metric"),
        ("mean:a/b", "a ratio is of two names"),
        ("ratio:a", "a ratio is of two names"),
        ("ratio:a/", "a ratio is of two names"),
        ("mean:a:q=0.5", "'q=0.5' is not an option of a mean; it takes better=…, margin=…, covariate=…"),
        ("mean:a:better=left", "better is 'up' or 'down', not 'left'"),
        ("mean:a:margin=-1", "margin is '-1'; it must be a number from 0"),
        ("quantile:a:q=1", "q is '1'; it must be a number from 0.001 to 0.999"),
        ("mean:latency_ms", "latency_ms is for quantiles"),
    ],
)
def test_others_are_refused(text, message):
    with pytest.raises(ServingConfigError, match=message.replace("(", r"\(")):
        parse_metric(text)


def test_each_metric_is_given_once():
    with pytest.raises(ServingConfigError, match="'mean:a' is given twice"):
        parse_metrics(("mean:a", "mean:b", "mean:a"))
