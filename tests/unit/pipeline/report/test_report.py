import io
import os
import sys

import pytest

from hilir.pipeline.report.board import Board
from hilir.pipeline.report.output_capture import reserved
from hilir.pipeline.report.step_figures import describe_made
from hilir.pipeline.report.summary import Summary, write_lines
from hilir.pipeline.report.views import LineView, LiveView, view


def test_figures_read_as_text():
    made = {"rows": {"train": 10052, "eval": 4950}, "epoch": "3/5", "auc": 0.95, "blessed": True, "version": 3}
    assert describe_made(made) == "rows 10,052 train, 4,950 eval · epoch 3/5 · auc 0.9500 · blessed · version 3"
    assert describe_made({"blessed": False}) == "not blessed"


def test_lines_tell_each_change():
    stream = io.StringIO()
    board = Board("run-1", ["ExampleGen", "Trainer", "Pusher"])
    with view(board, stream) as chosen:
        assert isinstance(chosen, LineView)
        board.start("ExampleGen")
        board.finish("ExampleGen", "cached", {"rows": {"train": 2}})
        board.start("Trainer")
        board.report("Trainer", {"epoch": "1/2"})
        board.finish("Trainer", "failed")
        board.finish("Pusher", "skipped")
    lines = stream.getvalue().splitlines()
    assert lines == [
        "ExampleGen running",
        "ExampleGen cached (0.0 s): rows 2 train",
        "Trainer running",
        "Trainer running: epoch 1/2",
        "Trainer failed (0.0 s): epoch 1/2",
    ]


def test_a_terminal_gets_a_table_with_every_step():
    stream = io.StringIO()
    board = Board("run-1", ["ExampleGen", "Trainer"])
    with LiveView(board, stream):
        board.start("ExampleGen")
        board.finish("ExampleGen", "done", {"rows": {"train": 2}})
    table = stream.getvalue()
    assert "ExampleGen" in table
    assert "rows 2 train" in table
    assert "Trainer" in table
    assert "waiting" in table


def test_what_others_print_goes_to_the_log_also_from_native_code(tmp_path, capfd):
    log = tmp_path / "log.txt"
    with reserved(log) as screen:
        print("from Python")
        print("an error", file=sys.stderr)
        os.write(1, b"from native code\n")
        print("for the user", file=screen)
    print("afterwards")
    assert capfd.readouterr().out == "for the user\nafterwards\n"
    assert log.read_text() == "from Python\nan error\nfrom native code\n"


def summary(**changes) -> Summary:
    facts = {
        "run_id": "taxi-1",
        "status": "succeeded",
        "blessed": True,
        "reasons": [],
        "warnings": [],
        "notes": [],
        "version": 2,
        "version_path": "out/models/taxi/2",
        "metrics": {"auc": 0.95},
        "baseline": {"auc": 0.94},
        "nodes": [],
        "seconds": 12.34,
    }
    return Summary(**(facts | changes))


def test_metrics_that_count_have_no_decimals():
    found = summary(metrics={"auc": 0.95, "rows": 12345.0, "share": 1.0}, baseline={"auc": 0.95, "rows": 12300.0})
    assert list(write_lines(found, "hilir run configs/taxi.yaml"))[1:4] == [
        "  auc                    0.9500   baseline 0.9500, no change",
        "  rows                   12,345   baseline 12,300, change +45",
        "  share                  1.0000",
    ]


def test_the_summary_of_a_pushed_model():
    assert list(write_lines(summary(), "hilir run configs/taxi.yaml")) == [
        "",
        "  auc                    0.9500   baseline 0.9400, change +0.0100",
        "",
        "blessed; version 2 is in out/models/taxi/2",
        "next: hilir serve",
        "run taxi-1, 12.3 s",
    ]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("out/models/taxi/2", "hilir serve"),
        (os.path.abspath("out/models/taxi/2"), "hilir serve"),
        ("/srv/my models/taxi/2", "hilir serve --root '/srv/my models'"),
        (
            os.path.abspath("out/emulation/gs/bucket/models/taxi/1"),
            "hilir serve --root out/emulation/gs/bucket/models",
        ),
        ("gs://bucket/models/taxi/3", "hilir serve --root gs://bucket/models"),
    ],
)
def test_the_next_command_serves_the_root_that_has_the_version(path, command):
    assert f"next: {command}" in list(write_lines(summary(version_path=path), "hilir emulate spec.json"))


def test_the_summary_of_a_model_that_is_not_blessed_says_why():
    lines = list(
        write_lines(
            summary(
                status="not_blessed",
                blessed=False,
                version=None,
                version_path=None,
                baseline={},
                reasons=["auc over hour=3 is 0.5"],
                comparison={"baseline": None, "skipped": None, "unchecked": ("auc over overall",)},
            ),
            "hilir run configs/taxi.yaml",
        )
    )
    assert lines[1:] == [
        "  auc                    0.9500",
        "  (no pushed model before this one to compare with)",
        "  (not checked: the bound on the change of auc over overall)",
        "",
        "not blessed, not pushed:",
        "  auc over hour=3 is 0.5",
        "next: fix the model or the bound, then  hilir run configs/taxi.yaml",
        "run taxi-1, 12.3 s",
    ]


def test_the_summary_says_that_a_baseline_was_left_out():
    comparison = {"baseline": "out/model/3", "skipped": "it needs a value of 'x'", "unchecked": ()}
    lines = list(write_lines(summary(baseline={}, comparison=comparison), "hilir run configs/taxi.yaml"))
    assert lines[1:3] == [
        "  auc                    0.9500",
        "  (not compared with out/model/3: it needs a value of 'x')",
    ]
