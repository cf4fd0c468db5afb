"""Numbers in texts whose units differ: durations, sizes, lengths, weights, thousands and millions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

CLOCK: Mapping[str, float] = {"h": 3600, "m": 60, "s": 1}
"""The units of `1:23:45` and `54:24`."""
_HOURS = re.compile(r"(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)")
_MINUTES = re.compile(r"(\d+):([0-5]\d(?:\.\d+)?)")
_CURRENCY = re.compile(r"^[$€£¥₹]\s*")
_FITTING, _FEW = 0.95, 10
_NUMBER = r"\d+(?:\.\d+)?"
_PART = re.compile(rf"({_NUMBER})\s*([^\d\s.,]*)[\s,]*")
_THOUSANDS = re.compile(r"\d[.,]\d{3}(\D|$)")


def _spell(**units: tuple[float, str]) -> dict[str, float]:
    return {word: size for size, words in units.values() for word in words.split()}


_FAMILIES: Mapping[str, Mapping[str, float]] = {
    "durations": _spell(
        millisecond=(0.001, "ms msec"),
        second=(1, "s sec secs second seconds sek sekunde sekunden"),
        minute=(60, "m min mins minute minutes minuten"),
        hour=(3600, "h hr hrs hour hours std stunde stunden"),
        day=(86_400, "d day days tag tage"),
        week=(604_800, "w wk wks week weeks woche wochen"),
        month=(2_629_746, "mo mos mon month months monat monate"),
        year=(31_556_952, "y yr yrs year years jahr jahre"),
    ),
    "sizes": _spell(
        byte=(1, "b byte bytes"),
        kilobyte=(1e3, "kb kib"),
        megabyte=(1e6, "mb mib"),
        gigabyte=(1e9, "gb gib"),
        terabyte=(1e12, "tb tib"),
    ),
    "lengths": _spell(
        millimetre=(0.001, "mm"),
        centimetre=(0.01, "cm"),
        metre=(1, "m"),
        kilometre=(1e3, "km"),
        inch=(0.0254, "\" ″ ” in inch inches ''"),
        foot=(0.3048, "' ′ ’ ft foot feet"),
        mile=(1609.344, "mi mile miles"),
    ),
    "weights": _spell(
        milligram=(0.001, "mg"),
        gram=(1, "g"),
        kilogram=(1e3, "kg"),
        tonne=(1e6, "t"),
        ounce=(28.349523125, "oz"),
        pound=(453.59237, "lb lbs"),
    ),
    "amounts": _spell(
        thousand=(1e3, "k tsd"), million=(1e6, "m mn mio mil million"), billion=(1e9, "b bn mrd billion bln")
    )
    | {"": 1},
}


def find_units(present: pd.Series) -> tuple[str, dict[str, float]]:
    """Returns what a column measures, and how much each of the units is that its texts have; nothing if it is none.

    Of `3h 25m` and `40m`, `1 day` and `14 days`, `1:02:33`, `870 kB` and `1.2 MB`, `$14.4K` and `300`; not of ten
    different values or fewer, which are categories.
    """
    values = present.drop_duplicates().head(5000)
    if len(values) <= _FEW:
        return "", {}
    texts = values.map(_prepare)
    for family, sizes in _FAMILIES.items():
        found = [units for units in texts.map(_list_units) if units and set(units) <= sizes.keys()]
        units = sorted({unit for each in found for unit in each}, key=lambda unit: -sizes[unit])
        if len(found) >= _FITTING * len(values) and len(units) > 1:
            return family, {unit: sizes[unit] for unit in units}
    return "", {}


def is_clock(present: pd.Series) -> bool:
    """Says whether the texts are durations as a clock shows them."""
    texts = present.drop_duplicates().head(5000)
    return bool((texts.str.fullmatch(_HOURS) | texts.str.fullmatch(_MINUTES)).mean() >= _FITTING)


def parse_measures(cells: pd.Series, units: Mapping[str, float]) -> pd.Series:
    """Returns the sum of each text's numbers, each times its unit; NaN where a text has none.

    The generated code does the same.
    """

    def measure(text: object) -> float:
        found = _list_units(_prepare(str(text))) if isinstance(text, str) else {}
        if not found or not found.keys() <= units.keys():
            return float("nan")
        return sum(number * units[unit] for unit, number in found.items())

    return cells.map(measure).astype(float)


def _prepare(text: str) -> str:
    """Returns the text in lower case without a currency, with decimal points, and `1h23m45s` for `1:23:45`."""
    text = _CURRENCY.sub("", text.strip().lower())
    text = _HOURS.sub(r"\1h\2m\3s", text) if _HOURS.fullmatch(text) else text
    text = _MINUTES.sub(r"\1m\2s", text) if _MINUTES.fullmatch(text) else text
    return text if _THOUSANDS.search(text) else re.sub(r"(\d),(\d)", r"\1.\2", text)


def _list_units(text: str) -> dict[str, float]:
    """Returns the number of each unit; nothing if the text has anything else, or one of them twice."""
    found: dict[str, float] = {}
    end = 0
    for part in _PART.finditer(text):
        if part.start() != end or part[2] in found:
            return {}
        found[part[2]] = float(part[1])
        end = part.end()
    is_whole = end == len(text) and (len(found) == 1 or "" not in found)
    return found if is_whole else {}
