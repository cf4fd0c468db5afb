"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from hilir.pipeline.cli.main import COMMANDS, cli
from scripts.docs.markdown import NOTE, code, escape, write_table

_INTRODUCTION = """# Command line

`hilir --help` and `hilir COMMAND --help` print the same. Exit codes: 2 usage, 3 configuration, or a server that does
not answer, 4 a step failed, 5 a release was refused, 6 the run is complete and its model is not blessed, 130
interrupted.
"""


def render_command_line() -> str:
    """Returns the page of all commands, in the order of `hilir --help`."""
    root = click.Context(cli, info_name="hilir", **cli.context_settings)
    lines = [NOTE, "", *_INTRODUCTION.splitlines(), ""]
    lines += write_table(
        ("command", "what it does"),
        [(f"[`hilir {name}`](#hilir-{name})", escape(COMMANDS[name][1])) for name in cli.list_commands(root)],
    )
    for context in _walk(root):
        if context is not root:
            lines += _describe(context)
    return "\n".join(lines).rstrip() + "\n"


def _walk(context: click.Context) -> Iterator[click.Context]:
    """Yields the context of a command and of all below it."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from _walk(click.Context(found, info_name=name, parent=context))


def _describe(context: click.Context) -> list[str]:
    command = context.command
    depth = 2 if context.parent is not None and context.parent.parent is None else 3
    # What a hidden command does is what its group does without a name, such as 'hilir watch CONFIG'.
    path = context.command_path.rsplit(" ", 1)[0] if command.hidden else context.command_path
    lines = [f"{'#' * depth} {path}{' CONFIG' if command.hidden else ''}", ""]
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines += ["<!-- shown -->", "```text", usage, "```", ""]
    lines += _write_help(command.help or "")
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    rows = [(code(names), escape(text)) for names, text in records if text and not names.endswith("--help")]
    return lines + (write_table(("option", "what it does"), rows) if rows else [])


def _write_help(text: str) -> list[str]:
    """Returns the paragraphs of a help text; after click's mark for it, its lines stay as they are."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text).split("\f")[0].split("\n\n"):
        kept = paragraph.startswith("\b\n")
        body = paragraph.removeprefix("\b\n")
        lines += ["<!-- shown -->", "```text", body, "```", ""] if kept else [escape(" ".join(body.split())), ""]
    return lines
