from __future__ import annotations

import json

from click.testing import CliRunner

from hilir.serving.cli.experiment import experiment


def run(*arguments: str):
    return CliRunner().invoke(experiment, ["plan", *arguments])


def test_a_plan_names_size_reason_and_days():
    done = run("--base", "0.1", "--effect", "0.02", "--users", "1000")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "plan 13,443 users, 6,722 of them in the smaller arm",
        "  a test that is looked at once would need 7,682; this one may be looked at any time, and needs 1.75 times as "
        "many for the same power of 80%",
        "  under the planned effect of +0.02 half of such experiments end before 7,394",
        "  at that traffic: 14 days (at least 7, so that each weekday counts)",
    ]


def test_a_plan_as_json_for_a_mean_and_unequal_shares():
    done = run("--deviation", "1", "--effect", "-0.1", "--percent", "10", "--json")
    assert json.loads(done.output) == {
        "fixed": 8721, "planned": 16_570, "share": 0.1, "effect": -0.1, "power": 0.8, "days": None,
    }  # fmt: skip


def test_what_cannot_be_planned_is_refused():
    assert "give --base for a rate, or --deviation for a mean" in run("--effect", "1").output
    assert "shares must be between 0 and 1 and differ" in run("--base", "0.9", "--effect", "0.2").output
    assert (
        "--alpha and --power must be between 0 and 1" in run("--base", "0.5", "--effect", "0.1", "--power", "2").output
    )
