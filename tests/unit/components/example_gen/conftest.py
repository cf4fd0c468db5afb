"""Runs the ingest on files, as a step does."""

import gzip
import shutil
from pathlib import Path

import apache_beam as beam
import pytest
import tensorflow as tf

from hilir.components.errors import IngestError
from hilir.components.example_gen.column_types import Before
from hilir.components.example_gen.ingest import Ingest, Ingested
from hilir.components.example_gen.settings import ReadSettings


class Ingesting:
    """Writes files below a folder and reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, data: str | bytes, name: str = "data.csv") -> str:
        path = self.folder / name
        data = data.encode() if isinstance(data, str) else data
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") and data[:2] != b"\x1f\x8b" else data)
        return str(path)

    def run(self, *paths: str, split: str | None = None, split_by: dict | None = None, **settings) -> Ingested:
        """Returns what became of the files; the examples are in `out/<split>`."""
        return self.run_files([(path, split) for path in paths], split=split_by or {}, **settings)

    def run_files(self, files: list[tuple[str, str | None]], before=None, lengths=None, **settings) -> Ingested:
        """Returns what became of files, each with its split or None.

        `before` and `lengths`: the columns' types and numbers of values for the version before.
        """
        read = ReadSettings.model_validate({"format": "auto", **settings})
        names = dict.fromkeys(split for _, split in files if split) or read.splits
        folders = {name: str(self.folder / "out" / name) for name in names}
        work = str(self.folder / "out" / ".work")
        ingest = Ingest(
            read, lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]), work, Before(before or {}, lengths or {})
        )
        return ingest.run(files, folders)

    def empty(self) -> None:
        """Removes all examples."""
        shutil.rmtree(self.folder / "out")

    def records(self, name: str = "all") -> list[bytes]:
        """Returns the examples of a split, in the order of the files."""
        files = sorted(str(path) for path in (self.folder / "out" / name).glob("*"))
        return [record for file in files for record in tf.data.TFRecordDataset(file, "GZIP").as_numpy_iterator()]

    def rows(self, *paths: str, **settings) -> list[dict[str, list]]:
        """Returns all rows that become of the files, as lists of values by column."""
        self.run(*paths, split="all", **settings)
        return [values(record) for record in self.records()]

    def fault(self, *paths: str, **settings) -> str:
        """Returns why the files cannot be read."""
        with pytest.raises(IngestError) as caught:
            self.run(*paths, split="all", **settings)
        return str(caught.value)


def values(record: bytes) -> dict[str, list]:
    features = tf.train.Example.FromString(record).features.feature
    return {
        name: list(getattr(each, each.WhichOneof("kind")).value)
        for name, each in sorted(features.items())
        if each.WhichOneof("kind")
    }


@pytest.fixture
def ingesting(tmp_path) -> Ingesting:
    return Ingesting(tmp_path)
