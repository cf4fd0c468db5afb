"""What an attacker names a column or a model never moves the cursor of who reads about it."""

import io

from hilir.pipeline.report.board import Board
from hilir.pipeline.report.terminal import Screen, show_controls
from hilir.pipeline.report.views import LineView, LiveView


def test_control_characters_are_shown():
    text = "a\x1b]0;owned\x07b\x1b[2Jc\rd\x9b31me\u202ef\u2028g"
    assert show_controls(text) == "a\\x1b]0;owned\\x07b\\x1b[2Jc\\rd\\x9b31me\\u202ef\\u2028g"
    assert show_controls("Größe\tm²\n日本 é\n") == "Größe\tm²\n日本 é\n"
    assert show_controls("\x1b[32mok\x1b[0m") == "\x1b[32mok\x1b[0m"


def test_a_screen_is_its_stream_otherwise():
    stream = io.StringIO()
    screen = Screen(stream)
    print("x\x1b[1A", file=screen)
    screen.writelines(["y\x07\n", "z\n"])
    assert stream.getvalue() == "x\\x1b[1A\ny\\x07\nz\n"
    assert not screen.isatty()


def test_figures_of_a_run_are_text_and_no_markup():
    board = Board("run", ["Step"])
    stream = io.StringIO()
    LineView(board, stream)
    board.start("Step")
    board.report("Step", {"column": "[bold]\x1b[2J"})
    assert "[bold]\\x1b[2J" in stream.getvalue()
    live = LiveView(board, io.StringIO())
    with live._live.console.capture() as shown:
        live._live.console.print(live._table())
    assert "[bold]\\x1b[2J" in shown.get()
