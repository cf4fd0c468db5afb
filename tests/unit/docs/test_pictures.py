"""The recording of a terminal: what is seen at the end, and that each command is drawn before what it printed."""

import re

import pytest

from scripts.pictures.recorded_terminal import Span, Terminal
from scripts.pictures.recording import draw, record, split_commands


def show(text: str, columns: int = 20) -> list[str]:
    terminal = Terminal(columns)
    terminal.write(text)
    return ["".join(span.text for span in line) for line in terminal.lines()]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo\r\n\r\n", ["one", "two"]),
        ("50 %\r100 %\r\n", ["100 %"]),
        ("waiting\r\n\x1b[1A\x1b[2Kdone\r\n", ["done"]),
        ("abcdef\x1b[3D", ["abcdef"]),
        ("a" * 25, ["a" * 20, "a" * 5]),
        ("\x1b[?25lhidden cursor\x1b[?25h", ["hidden cursor"]),
    ],
)
def test_a_terminal_shows_what_was_written_last(written, seen):
    assert show(written) == seen


def test_colours_are_kept():
    terminal = Terminal(20)
    terminal.write("\x1b[32mok\x1b[0m and \x1b[1;31mbad\x1b[0m")
    assert terminal.lines() == [[Span("ok", "green"), Span(" and ", ""), Span("bad", "bold red")]]


def test_commands_of_several_lines_stay_together():
    text = "one\ntwo \\\n  --more\ncurl -d '{\n  1}'\n"
    assert split_commands(text) == ["one", "two \\\n  --more", "curl -d '{\n  1}'"]


def test_a_recording_has_each_command_with_its_output(tmp_path):
    message = "echo '2026-11-26 01:02:03 INFO a message'"
    commands = ["echo '<one>'", f"pwd; echo $PWD/file; {message}", "test -t 1 && echo screen", "sleep 300 & true"]
    shown = record(commands, tmp_path, seconds=60)
    text = [["".join(span.text for span in line) for line in each.lines] for each in shown]
    assert text == [["<one>"], [".", "file"], ["screen"], []]
    picture = draw(shown, "A title")
    lines = re.sub(r"<style>.*?</style>", "", picture, flags=re.DOTALL)
    texts = [each for each in re.findall(r">([^<>]+)<", lines) if each.strip()]
    assert texts[:4] == ["A title", "$ ", "echo &#x27;&lt;one&gt;&#x27;", "&lt;one&gt;"]
    assert "@media (prefers-reduced-motion:no-preference)" in picture


def test_a_command_that_fails_ends_the_recording(tmp_path):
    with pytest.raises(RuntimeError, match="failed with exit code 1"):
        record(["false", "touch after"], tmp_path, seconds=60)
    assert not (tmp_path / "after").exists()
