"""The text of the functions of preprocessing.py that read dates: only what the dates of a table need."""

from __future__ import annotations

from collections.abc import Iterator

from hilir.pipeline.project.columns.dates import date_order
from hilir.pipeline.project.design import Design

_DATE = """
def _date(values: tf.Tensor | tf.SparseTensor, order: str) -> list[tf.Tensor]:
    \"\"\"Returns the day as a number, and year, week and day as circles; zeros where a row has no date.\"\"\"
    text = _string(values)
{months}    parts = [r"(\\d{4})" if part == "y" else r"(\\d{1,2})" for part in order]
    pattern = r"^\\D*" + r"\\D*".join(parts) + r".*$"
    there = tf.strings.regex_full_match(text, pattern)
    text = tf.where(there, text, " ".join("2000" if part == "y" else "01" for part in order))
    found = {
        part: tf.strings.to_number(tf.strings.regex_replace(text, pattern, rf"\\{i}"), tf.int64)
        for i, part in enumerate(order, start=1)
    }
{others}    # Days since 1970-01-01 in the Gregorian calendar, so that a year's circle begins in January.
    year, month = found["y"] - tf.cast(found["m"] <= 2, tf.int64), (found["m"] + 9) % 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + found["d"] - 719469
{end}"""
_MONTHS = """    for number, month in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1):
        text = tf.strings.regex_replace(text, f"(?i){month}[a-z]*", str(number))
"""
_NAMED = """    found["m"] = found["b"] if "b" in order else found["m"]
"""
_SHORT = """    if "s" in order:
        found["y"] = found["s"] + tf.where(found["s"] < 69, tf.constant(2000, tf.int64), 1900)
"""
_TWELVE = """    if "I" in order:
        is_late = tf.strings.regex_full_match(text, "(?i).*pm.*")
        found["H"] = found["I"] % 12 + tf.where(is_late, tf.constant(12, tf.int64), 0)
"""
_MISSING = """    found = {part: tf.ones_like(there, tf.int64) for part in "ymd"} | found
"""
_EPOCH = """
def _epoch(values: tf.Tensor | tf.SparseTensor, second: int) -> list[tf.Tensor]:
    \"\"\"Returns the day as a number, and year, week and day as circles; zeros where a row has no time.\"\"\"
    number = _dense(values, tf.int64.min)
    there = number != tf.int64.min
    hours = tf.where(there, number, 0) // (3600 * second)
    return _calendar(hours // 24, hours % 24, there)
"""
_CALENDAR = """
def _calendar(days: tf.Tensor, hour: tf.Tensor | None, there: tf.Tensor) -> list[tf.Tensor]:
"""
_PARTS = """    day = tf.cast(days, tf.float32) / 1000.0
    parts = [(day - tft.mean(day)) / (tf.sqrt(tft.var(day)) + 1e-6)]
    # Rows of less than a year have not seen the seasons that come.
    last, first = tft.max(tf.where(there, day, -1e3)), tft.min(tf.where(there, day, 1e3))
    is_year = tf.cast(last - first > 0.365, tf.float32)
    circles = [(days, 365.2425, is_year), (days, 7.0, 1.0)] + ([(HOUR, 24.0, 1.0)] if HAS_HOUR else [])
    for number, period, weight in circles:
        place = tf.cast(number, tf.float32) % period / period
        angle = 2 * math.pi * place
        parts += [weight * each for each in (2.0 * place - 1.0, tf.sin(angle), tf.cos(angle))]
    return [part * tf.cast(there, tf.float32) for part in parts]
"""


def write_functions(design: Design) -> Iterator[str]:
    """Yields the functions for the dates of a table."""
    epochs = design.epochs
    orders = [date_order(each.format) for each in design.of("date") if each not in epochs]
    used = set("".join(orders))
    in_date = _PARTS.replace("HOUR", 'found["H"]', 1).replace("HAS_HOUR", '"H" in found')
    if orders:
        others = _MISSING if any("d" not in order for order in orders) else ""
        others += _NAMED if "b" in used else ""
        others += _SHORT if "s" in used else ""
        others += _TWELVE if "I" in used else ""
        end = '    return _calendar(days, found.get("H"), there)\n' if epochs else in_date
        text = _DATE.replace("{months}", _MONTHS if "b" in used else "").replace("{others}", others)
        yield text.replace("{end}", end)
    if epochs:
        yield _EPOCH
        yield _CALENDAR + _PARTS.replace("HOUR", "hour", 1).replace("HAS_HOUR", "hour is not None")
