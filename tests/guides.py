"""The guides in docs/: their blocks of code, the commands in them, and how the ones marked `run` are typed.

A block has a mark before it, as a comment that readers do not see: `<!-- run -->` (a test types it), `<!-- cloud -->`
(it needs an account in the cloud; a test types what can be rehearsed) or `<!-- shown -->` (an example).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs"
MARKS = ("run", "cloud", "shown")
_MARK = re.compile(rf"^<!-- ({'|'.join(MARKS)}) -->$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})(.*)$")
_INDENTED = re.compile(r"^( {4}|\t)\s*\S")
_COMMENT = re.compile(r"(^|\s)#( .*)?$", re.MULTILINE)
_MENTION = re.compile(r"`(hilir [^`]+)`")
_SHELLS = ("sh", "console")
# A network of its own, with loopback only: the ports that the guides name are free in it, and nothing is downloaded.
_ALONE = ["unshare", "--map-root-user", "--net"]
_LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack('16sh', b'lo', 1))"
)


@dataclass(frozen=True)
class Block:
    """A block of code: its page and line, its mark (None: it has none), its language, and its lines."""

    page: Path
    line: int
    mark: str | None
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.page.name}, line {self.line}"


def list_pages() -> list[Path]:
    """Returns the pages of the guides, the generated ones too."""
    return sorted(FOLDER.rglob("*.md"))


def read_blocks(page: Path) -> Iterator[Block]:
    """Yields the blocks of a page; one by indentation, which cannot have a mark, begins after an empty line."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if fence := _FENCE.match(lines[number]):
            mark = _MARK.match(lines[number - 1]) if number else None
            end = next((at for at in range(number + 1, len(lines)) if lines[at].strip() == fence[1]), len(lines))
            text = "\n".join(lines[number + 1 : end])
            yield Block(page, number + 1, mark[1] if mark else None, fence[2].strip(), text)
            number = end
        elif (
            _INDENTED.match(lines[number]) and number and not lines[number - 1].strip() and not _in_list(lines[:number])
        ):
            yield Block(page, number + 1, None, "", lines[number])
        number += 1


def _in_list(before: list[str]) -> bool:
    """Returns whether indented text after these lines is a paragraph of a list's entry."""
    text = next((line for line in reversed(before) if line.strip() and not line.startswith("    ")), "")
    return bool(re.match(r"\s*([-*]|\d+\.) ", text))


def list_commands(block: Block) -> list[list[str]]:
    """Returns the words of each command line of hilir in a block of a shell.

    Raises:
        ValueError: a quote is never closed.
    """
    if block.language not in _SHELLS:
        return []
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    lexer = shlex.shlex(_COMMENT.sub("", text), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    commands: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if set(word) <= set("();<>|&\n"):
            skip = set(word) <= set("<>&") and bool(set(word) & set("<>"))
            if not skip:
                commands.append([])
        elif skip:
            skip = False
        else:
            commands[-1].append(word)
    return [words for words in commands if words and words[0] == "hilir"]


def parse_command(words: Iterable[str]) -> None:
    """Parses a command line as `hilir` would, without doing anything.

    Raises:
        click.UsageError: a command, an option or a value does not exist.
    """
    from hilir.pipeline.cli.main import cli

    rest = list(words)[1:]
    context = cli.make_context("hilir", rest)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        try:
            context = command.make_context(name, rest, parent=context)
        except click.exceptions.Exit:
            return


def list_mentions(page: Path) -> list[list[str]]:
    """Returns the words of the command lines in running text, without those that leave something open ('…')."""
    found = _MENTION.findall(page.read_text(encoding="utf-8").replace("\\|", "|"))
    return [text.split() for text in found if not {"…", "COMMAND"} & set(text.split())]


def find_unknown(words: list[str]) -> str:
    """Returns the first word of a mention that is neither a command nor an option of it; nothing if all exist.

    Values may be anything there, such as CONFIG; of alternatives (`stage|promote`) each must exist.
    """
    from hilir.pipeline.cli.main import cli

    command: click.Command = cli
    context = click.Context(cli, info_name="hilir", **cli.context_settings)
    for word in words[1:]:
        if isinstance(command, click.Group) and not word.startswith(("-", "[")):
            found = [command.get_command(context, each) for each in word.split("|")]
            if None in found:
                # The command that a group hides is what it does without a name: 'hilir watch CONFIG'.
                hidden = [each for each in command.commands.values() if each.hidden]
                if not hidden or not (word.isupper() or "." in word):
                    return word
                found = [*hidden]
            command = found[0] or command
        elif option := re.match(r"\[?(--[a-z_-]+)", word):
            known = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
            if option[1] not in known:
                return option[1]
    return ""


def rehearse(words: list[str]) -> str | None:
    """Returns a command line of a `cloud` block with `--dry-run`; None for a command that does not have it."""
    from hilir.pipeline.cli.main import cli

    command: click.Command = cli
    context = click.Context(cli, info_name="hilir", **cli.context_settings)
    for word in words[1:]:
        if isinstance(command, click.Group):
            command = command.get_command(context, word) or command
    if not any("--dry-run" in each.opts for each in command.get_params(context)):
        return None
    return shlex.join([*words, *([] if "--dry-run" in words else ["--dry-run"])])


def can_be_alone() -> bool:
    """Returns whether this machine gives a process a network of its own."""
    try:
        return subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run_page(page: Path, folder: Path, log: Path, seconds: float = 540) -> int:
    """Types the blocks of a page that are marked `run`, in their order, in one shell; ends what they left running.

    Of a `cloud` block, the commands are typed that have `--dry-run`, with it; and its exports. Returns the shell's exit
    code; the log has the output, with the place of each block before it.
    """
    alone = can_be_alone()
    lines = ["set -euo pipefail", *([shlex.join([sys.executable, "-c", _LOOPBACK])] if alone else [])]
    for block in read_blocks(page):
        if block.mark == "run":
            lines += [f"echo {shlex.quote(f'== {block.place}')}", block.text]
        elif block.mark == "cloud":
            typed = [line for line in block.text.splitlines() if line.startswith("export ")]
            typed += filter(None, map(rehearse, list_commands(block)))
            lines += [f"echo {shlex.quote(f'== {block.place}, rehearsed')}", *typed]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as output:
        shell = subprocess.Popen(
            [*(_ALONE if alone else []), "bash", "-c", "\n".join(lines)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            return shell.wait(seconds)
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                _end_group(shell.pid, sign)
            shell.wait()


def _end_group(group: int, sign: signal.Signals) -> None:
    """Sends a signal to what is left of a group of processes, and waits up to 20 s for its end."""
    limit = time.monotonic() + 20
    try:
        os.killpg(group, sign)
        while time.monotonic() < limit:
            os.killpg(group, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        return
