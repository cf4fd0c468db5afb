"""New data: a run begins once for each span or version, when it is complete and not before."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hilir.pipeline.triggers.sources.new_data import NewData

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Folder:
    """A folder of data, its trigger, and what the trigger remembers."""

    def __init__(self, root, pattern="day-{SPAN}/*.csv", stable=60.0, marker=None):
        self.data, self.model = root / "data", root / "models" / "m"
        self.data.mkdir()
        self.trigger = NewData(self.data, pattern, self.model, every=1, stable=stable, marker=marker)
        self.memory: dict = {}

    def write(self, name, text="x"):
        (self.data / name).parent.mkdir(parents=True, exist_ok=True)
        with (self.data / name).open("a") as file:
            file.write(text)

    def push(self, version, span, data_version=None, fingerprint=""):
        folder = self.model / str(version)
        folder.mkdir(parents=True)
        data = {"span": span, "version": data_version, "fingerprint": fingerprint}
        (folder / "manifest.json").write_text(json.dumps({"created": NOW.isoformat(), "data": data}))

    def look(self, seconds):
        look = self.trigger.look(self.memory, NOW + timedelta(seconds=seconds))
        # The memory goes through JSON, as it does in the state.
        self.memory = json.loads(json.dumps(dict(look.memory)))
        return look


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def keys(look):
    return [firing.key for firing in look.firings]


def test_a_span_that_is_being_written_holds_runs_and_fires_when_it_is_stable(folder):
    assert folder.look(0).note.startswith("no file below")
    folder.write("day-1/a.csv")
    assert folder.look(0).hold == "span 1 is not complete: its files have to stay as they are for 60 s"
    folder.write("day-1/a.csv")
    assert folder.look(59).hold
    folder.write("day-1/b.csv")
    assert folder.look(61).hold
    assert keys(folder.look(120)) == []
    look = folder.look(121)
    assert keys(look) == ["data:1:-1"]
    assert look.firings[0].payload.why == "span 1 is complete (unchanged for 60 s)"
    assert look.hold is None
    assert keys(folder.look(500)) == []


def test_a_marker_completes_a_span_at_once(tmp_path):
    folder = Folder(tmp_path, marker="_SUCCESS")
    folder.write("day-1/a.csv")
    assert folder.look(10_000).hold.endswith("day-1/_SUCCESS does not exist yet")
    folder.write("day-1/_SUCCESS", "")
    assert keys(folder.look(10_001)) == ["data:1:-1"]


def test_several_new_spans_are_one_reason_and_the_newest_must_be_complete(tmp_path):
    folder = Folder(tmp_path, marker="_SUCCESS")
    folder.push(1, span=1)
    for day in (1, 2, 3, 4):
        folder.write(f"day-{day}/a.csv")
        folder.write(f"day-{day}/_SUCCESS")
    folder.write("day-5/a.csv")
    look = folder.look(0)
    assert [span.number for span in look.firings[0].payload.spans] == [2, 3, 4]
    assert look.firings[0].payload.why == "span 4 is complete (its marker is there), and 2 before it"
    assert look.hold.startswith("span 5 is not complete")
    folder.write("day-5/_SUCCESS")
    look = folder.look(1)
    assert keys(look) == ["data:5:-1"]
    assert look.hold is None


def test_a_new_version_of_a_span_is_new_data(tmp_path):
    folder = Folder(tmp_path, "s{SPAN}/v{VERSION}/*.csv", stable=0)
    folder.write("s3/v1/a.csv")
    assert keys(folder.look(0)) == ["data:3:1"]
    folder.write("s3/v2/a.csv")
    assert keys(folder.look(1)) == ["data:3:2"]
    folder.write("s2/v9/a.csv")
    assert keys(folder.look(2)) == []


def test_what_a_pushed_version_learned_from_is_not_new(tmp_path):
    folder = Folder(tmp_path, stable=0)
    folder.push(1, span=7)
    folder.write("day-7/a.csv")
    assert keys(folder.look(0)) == []
    folder.write("day-8/a.csv")
    folder.push(2, span=8)
    assert keys(folder.look(1)) == []


def test_a_span_that_a_run_read_before_it_was_complete_is_new_when_it_is(folder):
    # The form of the fingerprint is TFX's own business.
    from tfx.utils.io_utils import generate_fingerprint

    for day in (1, 2, 3):
        folder.write(f"day-{day}/a.csv")
    folder.write("day-3/b.csv")
    fingerprint = generate_fingerprint("all", str(folder.data / "day-3/*.csv"))
    folder.push(1, span=3, fingerprint=fingerprint)
    assert folder.look(0).note == "span 3 is the newest"
    assert keys(folder.look(100)) == []

    folder.write("day-4/a.csv")
    fingerprint = generate_fingerprint("all", str(folder.data / "day-4/*.csv"))
    folder.write("day-4/b.csv")
    folder.push(2, span=4, fingerprint=fingerprint)
    assert folder.look(200).hold.startswith("span 4 is not complete")
    look = folder.look(260)
    assert [span.number for span in look.firings[0].payload.spans] == [4]
    assert keys(folder.look(400)) == []


def test_without_a_model_only_the_newest_span_of_the_past_counts(tmp_path):
    folder = Folder(tmp_path, stable=0)
    for day in range(1, 30):
        folder.write(f"day-{day}/a.csv")
    assert [len(firing.payload.spans) for firing in folder.look(0).firings] == [1]


def test_a_missing_folder_is_an_error_that_may_pass(folder):
    folder.data.rmdir()
    with pytest.raises(OSError, match="does not exist"):
        folder.look(0)


def test_a_clock_that_was_set_back_starts_the_wait_again(folder):
    folder.write("day-1/a.csv")
    assert folder.look(3 * 86_400).hold
    assert folder.look(0).hold
    assert keys(folder.look(61)) == ["data:1:-1"]
