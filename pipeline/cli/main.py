"""The program `hilir`."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from hilir.pipeline.cli.exits import exit_code, find_full_disk
from hilir.pipeline.report.terminal import Screen

# Name -> (where the command is, its line in `hilir --help`).
COMMANDS = {
    "new": ("hilir.pipeline.cli.project.new:new", "Make a project from a file of rows, or copy an example."),
    "run": ("hilir.pipeline.cli.run.run:run", "Train, evaluate and push a model on this machine."),
    "tune": ("hilir.pipeline.cli.run.tune:tune", "Search for the best hyperparameters of a model."),
    "config": ("hilir.pipeline.cli.run.config:config", "Show or check a configuration."),
    "schema": ("hilir.pipeline.cli.run.schema:schema", "Show, compare or write down what is expected of the data."),
    "runs": ("hilir.pipeline.cli.run.runs:runs", "List past runs, show one, or compare two."),
    "report": ("hilir.pipeline.cli.run.report:report", "Write the report of a run as one HTML file."),
    "dashboard": (
        "hilir.pipeline.cli.run.dashboard:dashboard",
        "Show runs, versions, releases and triggers in the browser.",
    ),
    "tensorboard": ("hilir.pipeline.cli.run.tensorboard:tensorboard", "Look at the training of runs in TensorBoard."),
    "clean": ("hilir.pipeline.cli.run.clean:clean", "Remove old runs, artifacts and versions that nothing needs."),
    "models": ("hilir.pipeline.cli.export.models:models", "List pushed models and their versions."),
    "export": (
        "hilir.pipeline.cli.export.export:export",
        "Export a version for phones, devices and browsers.",
    ),
    "browse": ("hilir.pipeline.cli.export.browse:browse", "Try the newest exports in the browser."),
    "serve": ("hilir.serving.server.cli:serve", "Serve pushed models over REST and gRPC, as TensorFlow Serving does."),
    "predict": ("hilir.pipeline.cli.export.predict:predict", "Predict each row of a file with a pushed version."),
    "release": ("hilir.serving.cli.release:release", "Decide which version gets which traffic; roll back."),
    "experiment": ("hilir.serving.cli.experiment:experiment", "Compare two versions with statistics."),
    "outcomes": ("hilir.serving.cli.outcomes:outcomes", "Store what became of predictions."),
    "monitor": ("hilir.serving.cli.monitor:monitor", "Watch what comes back from traffic: outcomes, drift, quality."),
    "gateway": ("hilir.serving.cli.gateway:gateway", "Run Envoy in front of the model servers."),
    "doctor": ("hilir.pipeline.cli.run.doctor:doctor", "Check this machine, and what a configuration refers to."),
    "setup": ("hilir.pipeline.cli.run.setup:setup", "Install the tools for exports to browsers, and for their page."),
    "image": ("hilir.pipeline.cli.vertex.image:image", "Build an image with your package on top of hilir's."),
    "compile": ("hilir.pipeline.cli.vertex.compile:compile_", "Compile the pipeline for Vertex AI."),
    "emulate": (
        "hilir.pipeline.cli.vertex.emulate:emulate",
        "Run a compiled pipeline here, as Vertex AI would.",
    ),
    "submit": ("hilir.pipeline.cli.vertex.submit:submit", "Run a pipeline on Vertex AI."),
    "jobs": ("hilir.pipeline.cli.vertex.jobs:jobs", "List, show or cancel pipeline jobs on Vertex AI."),
    "schedule": ("hilir.pipeline.cli.vertex.schedule:schedule", "Run a pipeline on Vertex AI on a schedule."),
    "vertex": (
        "hilir.pipeline.cli.vertex.vertex:vertex",
        "Manage the model on Vertex AI: traffic, predictions, monitoring.",
    ),
    "watch": (
        "hilir.pipeline.cli.run.watch:watch",
        "Retrain automatically: on a schedule, new data, drift or a call.",
    ),
}


# The sections of `hilir --help`, in the order of a model's life.
SECTIONS = {
    "Make a model": ("new", "run", "tune", "config", "schema"),
    "Look at runs and versions": ("runs", "report", "dashboard", "tensorboard", "models", "clean"),
    "Use a version": ("predict", "serve", "export", "browse"),
    "Release it": ("release", "experiment", "gateway"),
    "Keep it good": ("monitor", "outcomes", "watch"),
    "Vertex AI": ("image", "compile", "emulate", "submit", "jobs", "schedule", "vertex"),
    "This machine": ("doctor", "setup"),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the order of a model's life."""
        del ctx
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command, or None if it does not exist."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the tables of commands without importing any."""
        del ctx
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][1]) for name in names])


def print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Prints the version of hilir, which is read only when asked for."""
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"hilir {version('hilir')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Show the version."
)
@click.option("--verbose", "-v", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, verbose: bool) -> None:
    """Take data to a served, monitored and retrained TensorFlow model.

    Start with: hilir new NAME --data FILE --label COLUMN, then hilir run
    """
    ctx.obj = {"verbose": verbose}


def main() -> None:
    """Runs the program; every error ends as one message and an exit code."""
    # pydantic looks through all installed packages for plugins, of which there are none for us.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.stdout, sys.stderr = Screen(sys.stdout), Screen(sys.stderr)
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        result = cli.main(arguments, prog_name="hilir", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("hilir: interrupted", err=True)
        return 130
    except Exception as error:
        code, message = exit_code(error), str(error)
        if code is None and (full := find_full_disk(error)):
            code, message = 4, full
        if code is None:
            code, message = _find_user_error(error)
        if code is None or {"--verbose", "-v"} & set(arguments):
            raise
        click.echo(f"hilir: {message}", err=True)
        return code
    return result if isinstance(result, int) else 0


def _find_user_error(error: Exception) -> tuple[int | None, str]:
    """Returns exit code and message of an error of the user's code; no code where none of their files is concerned."""
    from hilir.components.cause import find_cause, find_user_folders

    cause = find_cause(error, find_user_folders())
    return (3 if cause.place else None), f"{cause}; 'hilir --verbose …' shows the whole traceback"
