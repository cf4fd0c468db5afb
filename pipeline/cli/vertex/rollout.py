"""`hilir vertex rollout`."""

from __future__ import annotations

from pathlib import Path

import click

from hilir.pipeline.cli.options import overlay_option, set_option


@click.command()
@click.argument("config")
@click.argument("version", type=click.IntRange(1))
@click.option("--steps", default="1,5,25,50,100", show_default=True, help="Its whole percentages of the traffic.")
@click.option("--hold", default="10m", show_default=True, metavar="DURATION", help="Time of a step: 90s, 10m, 2h.")
@click.option(
    "--guardrail",
    "guardrails",
    multiple=True,
    metavar="COMMAND",
    help="Command that gets the rollout as JSON: exit code 0 continues, 75 waits, others roll back.",
)
@click.option(
    "--gate",
    "gates",
    multiple=True,
    type=click.Choice(["errors", "latency", "drift", "shadow"]),
    help="Refused: an endpoint has no such figures per version.",
)
@click.option("--state", default="out/vertex-releases", show_default=True, help="Folder of the rollout's state.")
@click.option("--retry", is_flag=True, help="Try a version again that was rolled back.")
@click.option("--every", default="1s", show_default=True, metavar="DURATION", help="Time between two looks.")
@overlay_option
@set_option
def rollout(
    config: str,
    version: int,
    steps: str,
    hold: str,
    guardrails: tuple[str, ...],
    gates: tuple[str, ...],
    state: str,
    retry: bool,
    every: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Give a deployed VERSION the endpoint's traffic step by step; guardrails roll it back.

    The command runs until the end. If it is stopped or killed, the same command continues. Exit code 5: rolled back.
    """
    from hilir.pipeline.cli.vertex.target import load_target
    from hilir.pipeline.vertex.client.endpoint_rollout import make_plan, open_endpoint_runner, refuse_gates
    from hilir.serving.cli.options import open_notifier
    from hilir.serving.rollout.plan import parse_duration, parse_steps

    refuse_gates(gates)
    plan = make_plan(version, parse_steps(steps), parse_duration("--hold", hold), guardrails)
    loaded, connection, target = load_target(config, overlays, settings)
    if not guardrails:
        click.echo("no guardrail is given: each step only lasts its time; errors and latency are not compared here")
    runner = open_endpoint_runner(
        connection,
        target,
        Path(state),
        plan,
        lambda line: click.echo(line),
        every=max(parse_duration("--every", every), 0.05),
        approval=loaded.release.approval,
        notify=open_notifier(loaded.notify),
    )
    if loaded.release.approval == "required":
        click.echo(f"approval is required: hilir release approve {version} --root {state} --model {target.model}")
    runner.run(plan, retry)
