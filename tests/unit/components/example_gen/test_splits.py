import collections
import hashlib
import re

import pytest
import tensorflow as tf

from hilir.components.example_gen.splits import split_of


def example(number: int) -> bytes:
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
    return tf.train.Example(features=tf.train.Features(feature={"id": feature})).SerializeToString()


def test_every_row_is_written_once_and_equal_rows_stay_together(ingesting):
    rows = [example(number) for number in range(3000)]
    path = write_records(ingesting.folder / "a.tfrecord", rows + rows)
    ingested = ingesting.run(path)
    written = {name: collections.Counter(ingesting.records(name)) for name in ("train", "eval")}
    assert ingested.rows == {name: sum(found.values()) for name, found in written.items()}
    assert set(written["train"]) | set(written["eval"]) == set(rows)
    assert not set(written["train"]) & set(written["eval"])
    assert 0.6 < ingested.rows["train"] / 6000 < 0.73


@pytest.mark.parametrize(
    ("key", "digest_mod_30", "splits"),
    [
        (b"", 19, [0, 0, 2, 0]),
        (b"a", 19, [0, 0, 2, 0]),
        (b"1,2.5,cash", 25, [0, 0, 0, 0]),
        (b"hilir", 14, [0, 1, 2, 0]),
        (b"S\xc3\xa3o Paulo", 20, [0, 1, 0, 0]),
        (b"\x00\xff", 26, [0, 1, 1, 0]),
    ],
)
def test_a_row_has_its_split_for_ever(key, digest_mod_30, splits):
    """Pinned: another split would put rows that a model was trained on into the evaluation of the next one.

    `digest_mod_30` is what `sha256sum` says of the key, as a number, modulo 30.
    """
    assert [split_of([key], bounds)[0] for bounds in ([1], [2, 3], [1, 2, 5], [27, 30])] == splits
    assert split_of([key], range(1, 31))[0] == digest_mod_30


def test_the_split_is_the_rest_of_the_division_also_by_large_numbers():
    keys = [str(number).encode() for number in range(200)]
    for total in (1, 2, 3, 97, 2**31, 2**32 - 1, 2**32, 2**40 + 1):
        bounds = [-(-total // 3), total]
        numbers = [int(hashlib.sha256(key).hexdigest(), 16) % total for key in keys]
        assert split_of(keys, bounds).tolist() == [int(number >= bounds[0]) for number in numbers]
    assert split_of([], [2, 3]).tolist() == []


def test_a_serialized_example_has_its_split_for_ever():
    to_eval = [number for number in range(20) if split_of([example(number)], [2, 3])[0] == 1]
    assert to_eval == [8, 12, 14, 19]


def write_records(path, records: list[bytes]) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def test_tfrecords_are_read_as_they_are(ingesting):
    rows = [example(number) for number in range(10)]
    path = write_records(ingesting.folder / "a.tfrecord", rows)
    ingesting.run(path, split="all")
    assert ingesting.records() == rows


def test_a_damaged_file_is_named_with_the_last_good_record(ingesting):
    path = write_records(ingesting.folder / "a.tfrecord", [example(number) for number in range(10)])
    data = (ingesting.folder / "a.tfrecord").read_bytes()
    (ingesting.folder / "a.tfrecord").write_bytes(data[:-3])
    assert re.fullmatch(rf"{path}: is damaged after record 9 \(.*\); write the file anew", ingesting.fault(path))


def test_a_file_without_records(ingesting):
    path = write_records(ingesting.folder / "a.tfrecord", [])
    assert ingesting.fault(path) == f"{path}: has no records; give a file with data"


def test_records_that_are_no_examples(ingesting):
    path = write_records(ingesting.folder / "a.tfrecord", [b"hello"])
    assert ingesting.fault(path) == f"{path}: its first record is not a tf.Example with features; write tf.Examples"
