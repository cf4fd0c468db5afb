"""The table of columns that `hilir new` prints."""

from hilir.pipeline.cli.project.new import _table
from hilir.pipeline.project.columns.column import Column


def test_many_columns_of_one_kind_are_told_in_few_lines():
    genes = [Column(f"gene_{number}", "number", "numbers") for number in range(300)]
    columns = [Column("sex", "category", "2 different values"), *genes, Column("age", "number", "numbers", 0.2)]
    lines = list(_table(columns))
    assert [line.split()[0] for line in lines[1:-1]] == ["sex", "gene_0", "gene_1", "gene_2", "…", "gene_299", "age"]
    assert lines[5].split() == ["…", "number", "296", "more", "of", "the", "same"]
    assert lines[7].endswith("numbers, 20% missing")


def test_few_columns_and_those_that_are_left_out_have_a_line_each():
    few = [Column(f"x{number}", "number", "numbers") for number in range(10)]
    keys = [Column(f"id {number}", "id", "all values differ") for number in range(12)]
    lines = list(_table([*few, *keys]))
    assert len(lines) == 24
    assert lines[11].endswith("all values differ; --keep 'id 0'")
