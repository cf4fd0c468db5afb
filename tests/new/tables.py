"""The tables on which `hilir new` has to be right: label, kinds that must be found, kinds that must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 3000


@dataclass(frozen=True)
class Case:
    """A table.

    Attributes:
        label: the column to predict.
        kinds: the kinds of columns that a rule is made for; all others have to be features.
        csv: how it is written.
        options: more of what the user types.
    """

    label: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    csv: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


PACKAGES = {
    "penguins": Case("species"),
    "cars": Case("Miles_per_Gallon", {"Name": "id"}),
    "gbsg2": Case("cens"),
    "rossi": Case("arrest"),
    "fair": Case("affairs"),
    "anes96": Case("vote"),
    "diamonds": Case("price"),
    "titanic": Case("survived"),
    "biopsy": Case("class", {"ID": "id"}),
    "boston": Case("medv"),
    "mroz": Case("work", {"hoursw": "leak", "hearnw": "leak"}),
}
SKLEARN = {
    "iris": Case("species"),
    "wine": Case("target"),
    "breast_cancer": Case("target"),
    "diabetes": Case("target"),
}


def load_sklearn(name: str) -> pd.DataFrame:
    """Returns a table of scikit-learn."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.frame
    if name == "iris":
        frame["species"] = [bunch.target_names[number] for number in frame.pop("target")]
    return frame


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 3)).round(4)
LOGIT = X @ [1.5, -1.0, 0.7]
YES = RANDOM.random(ROWS) < 1 / (1 + np.exp(-LOGIT))
BASE = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
DAYS = [pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 1500, ROWS), "D") for _ in range(2)]


def _group() -> dict[str, object]:
    keys = RANDOM.integers(0, 150, ROWS)
    effects = RANDOM.normal(size=150)[keys]
    return {"patient_id": keys, **BASE, "y": (RANDOM.random(ROWS) < 1 / (1 + np.exp(-LOGIT - effects))).astype(int)}


def _missing() -> dict[str, object]:
    gaps = RANDOM.random((ROWS, 3)) < 0.2
    columns = {
        name: np.where(gaps[:, at], "?" if at == 2 else "", X[:, at].astype(str)) for at, name in enumerate(BASE)
    }
    return columns | {"kind": RANDOM.choice(["x", "y", ""], ROWS), "y": np.where(YES, "good", "bad")}


def _german() -> dict[str, object]:
    area = (X[:, 0] * 30 + 100).round(2)
    price = (area * 11 + RANDOM.normal(size=ROWS) * 150 + 300).round(2)
    return {"Fläche (m²)": area, "Zimmer": RANDOM.integers(1, 6, ROWS), "Preis (€)": price}


def _dates() -> dict[str, object]:
    first, second = DAYS
    price = 50 + 3 * first.month + 0.02 * (second - pd.Timestamp("2020-01-01")).days + RANDOM.normal(size=ROWS)
    return {
        "iso": first.strftime("%Y-%m-%d"),
        "german": second.strftime("%d.%m.%Y"),
        "american": first.strftime("%m/%d/%Y"),
        "order_date": second.strftime("%Y%m%d"),
        "price": np.asarray(price).round(3),
    }


def _amounts() -> dict[str, object]:
    revenue = np.exp(X[:, 0] + 6)
    german = str.maketrans(",.", ".,")
    return {
        "Umsatz": [f"€ {value:,.2f}".translate(german) for value in revenue],
        "Rabatt": [f"{int(value)} %" for value in (10 + 3 * X[:, 1]).clip(0)],
        "PLZ": RANDOM.choice(["01067", "04109", "10115", "80331"], ROWS),
        "Telefon": [f"+49 {RANDOM.integers(150, 180)} {number}" for number in RANDOM.permutation(10**6)[:ROWS]],
        "Newsletter": [RANDOM.choice(["ja", "Ja", "1"] if value > 0 else ["nein", "N", "0"]) for value in X[:, 2]],
        "Gekündigt": np.where(YES, "ja", "nein"),
    }


def _written_dates() -> dict[str, object]:
    first, second = DAYS
    times = first + pd.to_timedelta(RANDOM.integers(0, 86400, ROWS), "s")
    orders = 30 + 8 * np.sin(2 * np.pi * times.hour / 24) + 0.01 * (second - second.min()).days
    return {
        "ordered": times.strftime("%m/%d/%Y %I:%M %p"),
        "paid": second.strftime("%d %b %Y"),
        "created_at": times.to_numpy().astype("datetime64[s]").astype("int64"),
        "orders": np.asarray(orders + RANDOM.normal(size=ROWS)).round(3),
    }


def _customers() -> dict[str, object]:
    keys = RANDOM.integers(0, 150, ROWS)
    chance = 1 / (1 + np.exp(-LOGIT - RANDOM.normal(size=150)[keys]))
    return {"": np.arange(ROWS), "customer": [f"K{key:04d}" for key in keys], **BASE, "y": RANDOM.random(ROWS) < chance}


def _sales() -> dict[str, object]:
    """Half a year of six shops, with days written as most people write them."""
    random = np.random.default_rng(4)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.repeat(np.arange(200), 6), "D")
    shop, promo = np.tile(np.arange(1, 7), 200), random.random(1200) < 0.3
    sales = 1000 + 200 * shop + 600 * promo - 900 * (days.dayofweek == 6) + random.normal(0, 120, 1200)
    return {
        "Date": days.strftime("%d/%m/%Y"), "Shop": [f"S{each}" for each in shop], "Promo": promo.astype(int),
        "Sales": np.asarray(sales).round(),
    }  # fmt: skip


GENERATED: dict[str, tuple[Callable[[], dict[str, object]], Case]] = {
    "names": (lambda: {"Größe in cm": X[:, 0], "b b": X[:, 1], "b_b": X[:, 2], "y": YES.astype(int)}, Case("y")),
    "german": (_german, Case("Preis (€)", csv={"sep": ";", "decimal": ","})),
    "dates": (_dates, Case("price")),
    "spellings": (
        lambda: BASE | {"y": [RANDOM.choice(["Yes", "yes", "YES "]) if yes else "No" for yes in YES]},
        Case("y"),
    ),
    "id": (
        lambda: {"customer": [f"C{n:06d}" for n in range(ROWS)], **BASE, "y": YES.astype(int)},
        Case("y", {"customer": "id"}),
    ),
    "leak": (
        lambda: BASE | {"refund": np.where(YES, "2024-01-05", ""), "y": YES.astype(int)},
        Case("y", {"refund": "leak"}),
    ),
    "group": (_group, Case("y", {"patient_id": "group"})),
    "missing": (_missing, Case("y")),
    "noise": (
        lambda: {f"noise {n}": RANDOM.normal(size=ROWS).round(4) for n in range(100)} | BASE | {"y": YES.astype(int)},
        Case("y"),
    ),
    "amounts": (_amounts, Case("Gekündigt", {"Telefon": "id"}, csv={"sep": ";"})),
    "written_dates": (_written_dates, Case("orders")),
    "sales": (_sales, Case("Sales", options={"time": "Date"})),
    "customers": (_customers, Case("y", {"": "id", "customer": "group"})),
    "counts": (
        lambda: BASE | {"visits": RANDOM.poisson(np.exp(0.8 + 0.5 * LOGIT.clip(-3, 3)))},
        Case("visits"),
    ),
    "constant": (lambda: BASE | {"one": 1, "y": YES.astype(int)}, Case("y", {"one": "constant"})),
    "rare": (
        lambda: BASE | {"y": (RANDOM.random(ROWS) < 1 / (1 + np.exp(-1.2 * LOGIT + 6))).astype(int)},
        Case("y"),
    ),
}


def write_table(name: str, folder: Path, packages: Path) -> tuple[Path, Case]:
    """Writes a table into a folder; returns the file and what is to be found in it.

    Args:
        name: a key of one of the dicts above.
        folder: where to write.
        packages: the folder with the tables that `write_tables.py` has written.
    """
    path = folder / f"{name}.csv"
    if name in PACKAGES:
        path.write_bytes((packages / f"{name}.csv").read_bytes())
        return path, PACKAGES[name]
    if name in SKLEARN:
        load_sklearn(name).to_csv(path, index=False)
        return path, SKLEARN[name]
    make, case = GENERATED[name]
    pd.DataFrame(make()).to_csv(path, index=False, **case.csv)
    return path, case
