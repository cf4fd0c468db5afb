"""Where the data comes from, what is expected of it and what stops a run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, field_validator, model_validator

from hilir.components.example_gen.settings import CsvSettings, Form, Kind, ReadSettings, SpanSettings, SplitSettings
from hilir.components.example_gen.spans import check_pattern
from hilir.components.settings import LARGEST, PositiveInt, Section, SplitRoles

# TFX makes a folder Split-NAME of it; '.' and '..' are none.
_SPLIT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def _share(value: Any) -> int | str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST:
        return value
    raise ValueError(
        f"must be a whole number, as in {{train: 4, eval: 1}} for 80 % and 20 %, or a pattern of files such as "
        f"'train-*', and is '{value}'"
    )


class DataSection(Section):
    """The rows to learn from."""

    format: Form | Literal["bigquery"]
    query: str | None
    path: str
    pattern: str
    generator: str | None
    spans: SpanSettings
    csv: CsvSettings
    columns: dict[str, Kind]
    rename: dict[str, str]
    drop: list[str]
    splits: dict[str, Annotated[int | str, PlainValidator(_share)]]
    roles: SplitRoles
    split: SplitSettings
    on_bad_rows: Literal["error", "skip"]
    max_bad_rows: float = Field(ge=0, le=1)

    @field_validator("path", "pattern")
    @classmethod
    def _placeholders_are_spans(cls, pattern: str) -> str:
        check_pattern(pattern)
        return pattern

    @field_validator("splits")
    @classmethod
    def _splits_are_complete(cls, splits: dict[str, int | str]) -> dict[str, int | str]:
        wrong = [name for name in splits if _SPLIT.fullmatch(name) is None]
        if wrong:
            raise ValueError(
                f"has the name '{wrong[0]}', which cannot be that of a folder; use letters, digits, '-', '_' and '.'"
            )
        if len({type(share) for share in splits.values()}) > 1:
            raise ValueError("has shares and patterns of files; give one or the other for all splits")
        for share in splits.values():
            if isinstance(share, str):
                check_pattern(share)
        return splits

    @model_validator(mode="before")
    @classmethod
    def _query_has_no_path(cls, values: Any) -> Any:
        """A query needs no path, which base.yaml asks for."""
        if isinstance(values, dict) and values.get("format") == "bigquery":
            return {"path": "", **values}
        return values

    @model_validator(mode="after")
    def _query_is_complete(self) -> DataSection:
        if self.format == "bigquery" and self.query is None:
            raise ValueError("query is missing; give the SQL of the rows, for example SELECT * FROM trips.rows")
        if self.format != "bigquery" and self.query is not None:
            raise ValueError(f"query has no effect with format: {self.format}; set data.format: bigquery")
        unused = [
            key
            for key in ("columns", "rename", "drop", "split", "spans")
            if self.format == "bigquery" and getattr(self, key) not in ({}, [], SplitSettings(), SpanSettings())
        ]
        if unused:
            raise ValueError(
                f"{unused[0]} has no effect with format: bigquery; write it into data.query, and remove it"
            )
        return self

    @model_validator(mode="after")
    def _roles_are_taken(self) -> DataSection:
        for role, name in self.roles.names.items():
            if name not in self.splits:
                raise ValueError(
                    f"roles.{role} is '{name}', which is not among the splits {', '.join(self.splits)}; set "
                    f"data.roles, for example {{train: train, validate: validation, evaluate: test}}"
                )
        if self.roles.train in (self.roles.validate_, self.roles.evaluate):
            raise ValueError(
                f"roles would judge the model by the rows that it learns from ('{self.roles.train}'); "
                f"give another split to validate and to evaluate"
            )
        if self.split.time is not None and len(self.splits) != 2:
            raise ValueError(
                f"split.time makes two splits, the older rows and the newer ones, and data.splits has "
                f"{len(self.splits)} ({', '.join(self.splits)}); give two, or split by something else"
            )
        return self

    def list_unused(self) -> list[str]:
        """Returns the splits that no role takes; statistics and Transform cover them too."""
        return [name for name in self.splits if name not in self.roles.names.values()]

    @model_validator(mode="after")
    def _one_way_to_split(self) -> DataSection:
        by_files = any(isinstance(share, str) for share in self.splits.values())
        if by_files and self.split != SplitSettings():
            raise ValueError("split has no effect, as data.splits names the files of each split; remove one")
        return self

    def read_settings(self, rows: int | None = None, pushed: str = "") -> ReadSettings:
        """Returns what the ingest needs to know of how to read.

        Args:
            rows: about how many rows to read; None: all of them.
            pushed: the folder of the model's versions, if any.
        """
        shares = {name: share for name, share in self.splits.items() if isinstance(share, int)}
        return ReadSettings(
            format="auto" if self.format == "bigquery" else self.format,
            csv=self.csv,
            columns=self.columns,
            rename=self.rename,
            drop=self.drop,
            splits=shares or dict.fromkeys(self.splits, 1),
            split=self.split,
            on_bad_rows=self.on_bad_rows,
            max_bad_rows=self.max_bad_rows,
            rows=rows,
            trained_on=self.roles.train,
            pushed=pushed,
        )


class SchemaSection(Section):
    """What the data should look like: a curated file, or inferred from the first run's statistics."""

    path: str | None


class ValidationSection(Section):
    """Which anomalies of the data stop a run, and what drift since the last version does."""

    fail_on: Literal["error", "warning", "never"]
    accept: dict[str, list[str]]
    drift: Literal["off", "warn", "fail"]

    @field_validator("drift", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        """YAML reads a bare `off` as false."""
        return "off" if value is False else value


class TransformSection(Section):
    """How TensorFlow Transform runs."""

    statistics: bool


_RUNNERS = ("local", "multiprocess", "dataflow", "flink")


class BeamSection(Section):
    """What runs the Beam pipelines of `hilir run`."""

    runner: Literal["local", "multiprocess", "dataflow", "flink"]
    workers: PositiveInt | None
    args: list[str]

    @field_validator("runner", mode="before")
    @classmethod
    def _runner_keeps_all_outputs(cls, runner: object) -> object:
        if isinstance(runner, str) and runner not in _RUNNERS:
            _refuse_dask(runner)
        return runner

    @field_validator("args")
    @classmethod
    def _runner_has_a_key(cls, args: list[str]) -> list[str]:
        for number, word in enumerate(args):
            name, _, value = word.partition("=")
            # Beam's parser takes any beginning of an option's name that is clear.
            if name.startswith("--ru") and "--runner".startswith(name):
                _refuse_dask(value or next(iter(args[number + 1 :]), ""))
                raise ValueError(f"names a runner by '{word}'; set beam.runner to one of {', '.join(_RUNNERS)} instead")
        return args


def _refuse_dask(runner: str) -> None:
    """Raises ValueError for the one runner that loses data without an error.

    Of several sinks it computes the last one alone, and it mixes tagged outputs (Beam 2.77, runners/dask).
    """
    if runner.rpartition(".")[2].lower() in ("dask", "daskrunner"):
        raise ValueError(
            "names the DaskRunner, which loses the output of all sinks but one without an error; "
            "use multiprocess on one machine, flink or dataflow on several"
        )
