"""Files of a log: found in order, known again after a rotation, read up to the last whole record."""

from __future__ import annotations

import pytest

from hilir.serving.request_log.record_files import find_files, forget, read_records
from hilir.serving.server.telemetry.log_files import RotatingFile, tf_record


def content(files, positions=None):
    return [record.data for file in files for record in read_records(file, (positions or {}).get(file.key, 0))]


@pytest.mark.parametrize("suffix", [".jsonl", ".tfrecord"])
def test_a_rotated_file_is_the_same_file(tmp_path, suffix):
    def record(number):
        return b"line %d\n" % number if suffix == ".jsonl" else tf_record(b"line %d" % number)

    log = RotatingFile(tmp_path / f"requests{suffix}", max_bytes=len(record(0)) * 2, max_files=10)
    log.append(record(0))
    log.flush()
    (file,) = find_files(str(tmp_path / "requests"))
    positions = {file.key: [each.end for each in read_records(file, 0)][-1]}
    for number in range(1, 6):
        log.append(record(number))
    log.flush()
    files = find_files(str(tmp_path / "requests"))
    assert [each.path.name for each in files][-1] == f"requests{suffix}"
    assert content(files, positions) == [b"line %d" % number for number in range(1, 6)]
    assert forget(positions | {"gone": 1}, files) == []
    many = {f"gone{number}": 1 for number in range(1001)} | positions
    assert forget(many, files) == ["gone0", "gone1"]


def test_other_logs_with_the_same_beginning_are_others(tmp_path):
    for name in ("requests.jsonl", "requests-00000000000000000001.jsonl", "requests-b.jsonl", "requests2.jsonl"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    names = [file.path.name for file in find_files(str(tmp_path / "requests"))]
    assert names == ["requests-00000000000000000001.jsonl", "requests.jsonl"]


@pytest.mark.parametrize("cut", [1, 8, 12, 15])
def test_half_a_record_is_read_when_it_is_whole(tmp_path, cut):
    whole = tf_record(b"one") + tf_record(b"two")
    path = tmp_path / "requests.tfrecord"
    path.write_bytes(whole[:-cut])
    (file,) = find_files(str(tmp_path / "requests"))
    (first,) = read_records(file, 0)
    assert first.data == b"one"
    path.write_bytes(whole)
    assert [each.data for each in read_records(file, first.end)] == [b"two"]


def test_a_damaged_record_is_skipped(tmp_path):
    records = [bytearray(tf_record(b"one")), bytearray(tf_record(b"two")), bytearray(tf_record(b"three"))]
    records[1][13] ^= 1
    (tmp_path / "requests.tfrecord").write_bytes(b"".join(records))
    assert content(find_files(str(tmp_path / "requests"))) == [b"one", None, b"three"]


def test_after_a_damaged_length_the_rest_of_the_file_is_given_up(tmp_path):
    records = [bytearray(tf_record(b"one")), bytearray(tf_record(b"two")), bytearray(tf_record(b"three"))]
    records[1][1] ^= 1
    (tmp_path / "requests.tfrecord").write_bytes(b"".join(records))
    (file,) = find_files(str(tmp_path / "requests"))
    *_, last = read_records(file, 0)
    assert (last.data, last.end) == (None, (tmp_path / "requests.tfrecord").stat().st_size)


def test_a_pattern_names_files_of_several_servers(tmp_path):
    for server in ("a", "b"):
        (tmp_path / server).mkdir()
        (tmp_path / server / "log.tfrecord").write_bytes(tf_record(b"same first record"))
    files = find_files(str(tmp_path / "*" / "log.tfrecord"))
    assert len(files) == 2


def test_an_empty_log_has_no_files(tmp_path):
    (tmp_path / "requests.jsonl").write_bytes(b"{half")
    assert find_files(str(tmp_path / "requests")) == []
    assert find_files(str(tmp_path / "nowhere" / "requests")) == []


@pytest.mark.parametrize("name", ["log[1]", "log*", "requests.jsonl"])
def test_a_prefix_may_look_like_a_pattern_or_a_file(tmp_path, name):
    for end in ("-00000000000000000001.jsonl", ".jsonl"):
        (tmp_path / f"{name}{end}").write_bytes(f"{end}\n".encode())
    (tmp_path / "log1.jsonl").write_bytes(b"another\n")
    assert content(find_files(str(tmp_path / name))) == [b"-00000000000000000001.jsonl", b".jsonl"]
