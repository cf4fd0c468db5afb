"""What a folder takes on the disk, as du counts it."""

import subprocess

from hilir.pipeline.clean.disk_use import measure


def test_blocks_are_counted_and_links_are_not_followed(tmp_path):
    folder = tmp_path / "a b"
    (folder / "deep").mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 10_000)
    (folder / "deep" / "two").write_bytes(b"x" * 5000)
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    (folder / "link").symlink_to(tmp_path / "large")
    files = [folder / "one", folder / "deep" / "two", folder / "sparse", folder / "link"]
    listed = subprocess.run(["du", "--block-size=1", *files], capture_output=True, text=True, check=True).stdout
    assert measure(folder) == (sum(int(line.split()[0]) for line in listed.splitlines()), 4)
    assert measure(folder).bytes < 100_000
    assert measure(folder / "one").files == 1
    assert measure(tmp_path / "none") == (0, 0)
