"""A whole rollout that a metric of users guards: access log and outcomes of real processes decide."""

import pytest

from tests.integration.experiment.buyers import buying

METRIC = "proportion:bought:margin=0.1"
QUICK = ["--hold", "1s", "--every", "0.5s", "--min-requests", 20, "--max-latency-ratio", 50, "--window", "1s"]


@pytest.mark.parametrize(("share", "code"), [(0.5, 0), (0.05, 5)])
def test_a_rollout_continues_or_stops_by_what_users_do(place, model, outcomes, share, code):
    words = ["rollout", 2, "--steps", "30,60,100", *QUICK, "--guardrail", METRIC, "--outcomes", outcomes]
    with buying(place, model, 80, share) as answers:
        text = place.release(*words, model=model, code=code).text
    assert {answer["status"] for answer in answers} == {"ok"}
    reasons = [event["why"] for event in place.state(model)["history"] if event["verb"] in ("rollout", "rollout-stop")]
    assert f"guardrail {METRIC}: " in reasons[-1]
    assert "users), may be worse by 0.1" in reasons[-1]
    if code:
        assert f"{model}: rolled back: version 2 has no traffic; at 30 %: guardrail {METRIC}: -0.4" in text
        assert place.answering(model) == 1
    else:
        assert f"{model}: done: version 2 is stable" in text
        assert len([reason for reason in reasons if METRIC in reason]) == 2
