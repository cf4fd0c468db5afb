import multiprocessing
import os
import tempfile
from pathlib import Path

import pytest

from hilir.serving.disk import list_folders, write_atomically
from tests.pipes import open_pipe


def test_an_entry_that_cannot_be_looked_at_hides_itself_only(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "3").symlink_to(tmp_path / "1")
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "long").symlink_to("x" * 300)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    found = list_folders(tmp_path)
    assert (found.names, found.others) == (("1", "3"), ("file",))
    assert found.faults == {
        "loop": "Too many levels of symbolic links",
        "long": "File name too long",
        "gone": "No such file or directory",
    }


def _list_as_nobody(folder: str, answers) -> None:
    os.setuid(65534)
    answers.put(list_folders(folder))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_link_to_where_one_may_not_look_hides_itself_only():
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        root, private = Path(folder, "root"), Path(folder, "private")
        for path in (root / "1", private / "2"):
            path.mkdir(parents=True)
        (root / "2").symlink_to(private / "2")
        Path(folder).chmod(0o755)
        private.chmod(0o700)
        answers = context.SimpleQueue()
        child = context.Process(target=_list_as_nobody, args=(str(root), answers))
        child.start()
        child.join(30)
        assert child.exitcode == 0
        found = answers.get()
    assert (found.names, found.faults) == (("1",), {"2": "Permission denied"})


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list_folders(tmp_path / "nowhere")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    with open_pipe(pipe) as read:
        write_atomically(pipe, "a page")
        assert read() == b"a page"
