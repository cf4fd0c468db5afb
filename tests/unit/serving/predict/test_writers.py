import os

from hilir.serving.predict.writers import open_target
from tests.pipes import open_pipe


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "rows.csv"
    with open_pipe(pipe) as read:
        with open_target(pipe) as write:
            write({"a": [1, None], "b": ["x", "y"]})
        assert read() == b"a,b\n1,x\n,y\n"


def test_a_device_stays_one(tmp_path):
    (tmp_path / "nowhere.jsonl").symlink_to("/dev/null")
    with open_target(tmp_path / "nowhere.jsonl") as write:
        write({"a": [1]})
    assert os.path.realpath(tmp_path / "nowhere.jsonl") == "/dev/null"
