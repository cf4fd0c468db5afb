"""`hilir emulate`."""

from __future__ import annotations

import shlex

import click

_WORKDIR = "out/emulation"


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the pipeline; may be repeated.",
)
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="gs://BUCKET=DIR",
    help="Use this folder in place of a bucket, or of a folder in it; may be repeated.",
)
@click.option(
    "--workdir",
    default=_WORKDIR,
    show_default=True,
    metavar="DIR",
    help="Folder for runs, artifacts and metadata.",
)
@click.option("--fast", is_flag=True, help="Fork preloaded processes, and wait only a second before a retry.")
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of steps to run at the same time. [default: one per core]",
)
@click.option("--no-cache", is_flag=True, help="Run every step, even if nothing has changed.")
@click.option("--json", "as_json", is_flag=True, help="Also print the result as one line of JSON, the last one.")
def emulate(
    spec: str,
    parameters: tuple[str, ...],
    mappings: tuple[str, ...],
    workdir: str,
    fast: bool,
    parallel: int | None,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Run a compiled pipeline on this machine, as Vertex AI would.

    SPEC is a file that 'hilir compile' wrote. Each step's own command runs in a process with the input that Vertex AI
    would give it. Folders stand in for buckets: the pipeline root's is in the working folder, others need --map.

    A specification is code: its commands run with your rights, so emulate only what you trust. They get none of your
    environment's variables except those that programs need of a machine (PATH, HOME, TF_… and the like).
    """
    from hilir.pipeline.cli.exits import status_code
    from hilir.pipeline.cli.options import print_summary
    from hilir.pipeline.run.rehearsal import Options, rehearse

    words = ["hilir", "emulate", spec, *(part for value in parameters for part in ("--parameter", value))]
    words += [part for value in mappings for part in ("--map", value)]
    words += ["--workdir", workdir] if workdir != _WORKDIR else []
    command = shlex.join(words)
    options = Options(spec, command, parameters, mappings, workdir, fast, cache=not no_cache, parallel=parallel)
    return status_code(rehearse(options, lambda summary: print_summary(summary, command, as_json=as_json)))
