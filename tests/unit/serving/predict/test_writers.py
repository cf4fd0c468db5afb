import os

from hilir.serving.predict.writers import open_target


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_target(pipe) as write:
            write({"a": [1, None], "b": ["x", "y"]})
        assert os.read(reader, 100) == b"a,b\n1,x\n,y\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_a_device_stays_one(tmp_path):
    (tmp_path / "nowhere.jsonl").symlink_to("/dev/null")
    with open_target(tmp_path / "nowhere.jsonl") as write:
        write({"a": [1]})
    assert os.path.realpath(tmp_path / "nowhere.jsonl") == "/dev/null"
