import collections

import pytest
import tensorflow as tf

from hilir.components.errors import IngestError
from hilir.components.example_gen import tfrecord_reader
from hilir.components.example_gen.splits import split_of, write_splits


def example(number: int) -> bytes:
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
    return tf.train.Example(features=tf.train.Features(feature={"id": feature})).SerializeToString()


def test_every_row_is_written_once_and_equal_rows_stay_together(tmp_path):
    rows = [example(number) for number in range(3000)]
    folders = {"train": str(tmp_path / "train"), "eval": str(tmp_path / "eval")}
    counts = write_splits([(row, row) for row in rows + rows], {"train": 2, "eval": 1}, folders)
    written = {
        name: collections.Counter(
            tf.data.TFRecordDataset(f"{folder}/data_tfrecord-00000-of-00001.gz", "GZIP").as_numpy_iterator()
        )
        for name, folder in folders.items()
    }
    assert counts == {name: sum(found.values()) for name, found in written.items()}
    assert set(written["train"]) | set(written["eval"]) == set(rows)
    assert not set(written["train"]) & set(written["eval"])
    assert 0.6 < counts["train"] / 6000 < 0.73


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
    assert [split_of(key, bounds) for bounds in ([1], [2, 3], [1, 2, 5], [27, 30])] == splits
    assert split_of(key, range(1, 31)) == digest_mod_30


def test_a_serialized_example_has_its_split_for_ever():
    to_eval = [number for number in range(20) if split_of(example(number), [2, 3]) == 1]
    assert to_eval == [8, 12, 14, 19]


def write_records(path, records: list[bytes]) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def test_tfrecords_are_read_as_they_are(tmp_path):
    rows = [example(number) for number in range(10)]
    read = tfrecord_reader.read_examples(write_records(tmp_path / "a.tfrecord", rows))
    assert list(read) == [(row, row) for row in rows]


def test_a_damaged_file_is_named_with_the_last_good_record(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", [example(number) for number in range(10)])
    data = (tmp_path / "a.tfrecord").read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(data[:-3])
    with pytest.raises(IngestError, match=r"a\.tfrecord: is damaged after record 9 \(.*\); write the file anew"):
        list(tfrecord_reader.read_examples(path))


def test_a_file_without_records(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", [])
    with pytest.raises(IngestError, match="has no records; give a file with data"):
        list(tfrecord_reader.read_examples(path))


def test_records_that_are_no_examples(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", [b"hello"])
    with pytest.raises(IngestError, match=r"its first record is not a tf\.Example with features"):
        list(tfrecord_reader.read_examples(path))
