"""Types the first hour as its page has it, in a terminal of its own, and draws what was seen as SVG."""

from __future__ import annotations

import codecs
import html
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.pictures.recorded_terminal import Span, Terminal

COLUMNS = 108
_ROW, _COLUMN, _EDGE = 17, 7.22, 16
_SECONDS_A_COMMAND, _SECONDS_A_LINE = 1.2, 0.12
_MARK = "\x1e"
# What a program does in the background has to be seen before the next command is typed.
_WAIT = "for _ in $(seq 300); do curl --silent --output /dev/null {} && break; sleep .2; done; sleep .5"
# The server's own messages have times and folders; a reader of the guide learns nothing from them.
_MESSAGE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*\r?\n", re.MULTILINE)
_STYLE = """
text{font:12px/1 ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace;fill:#d8dee9;white-space:pre}
.typed{fill:#fff;font-weight:600}.prompt,.dim{fill:#8fa1b3}.green{fill:#8fd19e}.red{fill:#ff9c9c}
.blue,.cyan{fill:#8fc7ff}.bold{font-weight:600}
@media (prefers-reduced-motion:no-preference){g.line{opacity:0;animation:shown .01s linear forwards}}
@keyframes shown{to{opacity:1}}
"""


@dataclass(frozen=True)
class Shown:
    """A command as it was typed, and what was seen below it."""

    typed: str
    lines: list[list[Span]]


def split_commands(text: str) -> list[str]:
    """Returns the commands of a block of a shell; one may have several lines."""
    commands: list[str] = []
    for line in text.splitlines():
        if commands and (commands[-1].endswith("\\") or commands[-1].count("'") % 2):
            commands[-1] += f"\n{line}"
        elif line.strip():
            commands.append(line)
    return commands


def record(commands: list[str], folder: Path, seconds: float = 600) -> list[Shown]:
    """Types the commands in the folder, in one shell, and returns what each showed.

    What is left running is ended.

    Raises:
        RuntimeError: a command fails, or the time is over.
    """
    script = ["set -eu"]
    for command in commands:
        script += [f"printf '{_MARK}'", command]
        if command.endswith("&"):
            port = 8700 if "dashboard" in command else 8501
            path = "" if port == 8700 else "v1/models/flowers"
            script.append(_WAIT.format(f"http://127.0.0.1:{port}/{path}"))
    script += [f"printf '{_MARK}'", "kill $(jobs -p) 2> /dev/null || true"]
    output = "".join(_run(script, folder, seconds)).replace(f"{folder}/", "").replace(str(folder), ".")
    output = _MESSAGE.sub("", output)
    shown = []
    # What comes after the last mark is how the programs in the background end.
    for typed, text in zip(commands, output.split(_MARK)[1:-1], strict=True):
        terminal = Terminal(COLUMNS)
        terminal.write(text)
        shown.append(Shown(typed, terminal.lines()))
    return shown


def _run(script: list[str], folder: Path, seconds: float) -> Iterator[str]:
    """Yields what is written to the terminal."""
    master, slave = pty.openpty()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS), "LINES": "50", "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(script)], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=slave,
        stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    end = time.monotonic() + seconds
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() < end:
        if select.select([master], [], [], 0.5)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # the last program has closed the terminal
                break
            yield decoder.decode(part)
        elif shell.poll() is not None:
            break
    os.close(master)
    if shell.wait(30):
        raise RuntimeError(f"a command of the first hour failed with exit code {shell.returncode}")


def draw(shown: list[Shown], title: str) -> str:
    """Returns the picture: each command, then what it showed, line after line; at once where no motion is wanted."""
    rows: list[str] = []
    at = 0.4
    for each in shown:
        typed = [part for line in each.typed.split("\n") for part in textwrap.wrap(line, COLUMNS - 4)]
        for number, line in enumerate(typed):
            prompt = "$ " if number == 0 else "  "
            text = f'<tspan class="prompt">{prompt}</tspan><tspan class="typed">{html.escape(line)}</tspan>'
            rows.append(_line(text, len(rows), at))
        at += _SECONDS_A_COMMAND
        for spans in each.lines:
            rows.append(_line("".join(map(_span, spans)), len(rows), at))
            at += _SECONDS_A_LINE
        rows.append("")
    width, height = round(COLUMNS * _COLUMN + 2 * _EDGE), (len(rows) - 1) * _ROW + 2 * _EDGE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">',
            f"<title>{title}</title><style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1f2430"/>',
            *filter(None, rows),
            "</svg>\n",
        ]
    )


def _line(text: str, row: int, at: float) -> str:
    y = _EDGE + row * _ROW + 12
    return f'<g class="line" style="animation-delay:{at:.1f}s"><text x="{_EDGE}" y="{y}">{text}</text></g>'


def _span(span: Span) -> str:
    text = html.escape(span.text)
    return f'<tspan class="{span.look}">{text}</tspan>' if span.look else f"<tspan>{text}</tspan>"
