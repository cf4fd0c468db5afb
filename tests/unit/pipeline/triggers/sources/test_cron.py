"""Schedules are read as crontab(5) says, with time zones, and nothing is missed or fired twice."""

from datetime import UTC, datetime, timedelta

import pytest

from hilir.pipeline.config.cron import parse_cron
from hilir.pipeline.triggers.sources.cron_schedule import CronTrigger


def times(text: str, after: str, count: int) -> list[str]:
    schedule, moment, found = parse_cron(text), datetime.fromisoformat(after), []
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(f"{moment:%a %Y-%m-%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 3 * * *", ["Thu 2026-01-01 03:30 +0000", "Fri 2026-01-02 03:30 +0000"]),
        ("TZ=Asia/Jakarta 30 3 * * *", ["Fri 2026-01-02 03:30 +0700", "Sat 2026-01-03 03:30 +0700"]),
        ("0 0 * * 0", ["Sun 2026-01-04 00:00 +0000", "Sun 2026-01-11 00:00 +0000"]),
        ("0 0 * * 7", ["Sun 2026-01-04 00:00 +0000", "Sun 2026-01-11 00:00 +0000"]),
        ("0 0 * * 1", ["Mon 2026-01-05 00:00 +0000", "Mon 2026-01-12 00:00 +0000"]),
        ("0 0 * * 1-5/2", ["Fri 2026-01-02 00:00 +0000", "Mon 2026-01-05 00:00 +0000"]),
        ("0 0 * * */3", ["Sat 2026-01-03 00:00 +0000", "Sun 2026-01-04 00:00 +0000"]),
        ("0 0 * * fri,sun", ["Fri 2026-01-02 00:00 +0000", "Sun 2026-01-04 00:00 +0000"]),
        # Both days restricted: either fits.
        ("0 0 13 * 5", ["Fri 2026-01-02 00:00 +0000", "Fri 2026-01-09 00:00 +0000", "Tue 2026-01-13 00:00 +0000"]),
        ("*/20 5 1 1,7 *", ["Thu 2026-01-01 05:00 +0000", "Thu 2026-01-01 05:20 +0000"]),
    ],
)
def test_times(text, expected):
    assert times(text, "2026-01-01T00:00:00+00:00", len(expected)) == expected


# Europe/Berlin: at 2 o'clock of 29 March 2026 it is 3, at 3 o'clock of 25 October it is 2 again.
@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("30 3 * * *", "2026-03-28T12:00:00+00:00", ["Sun 2026-03-29 03:30 +0200", "Mon 2026-03-30 03:30 +0200"]),
        # The skipped time comes at once afterwards.
        ("30 2 * * *", "2026-03-28T12:00:00+00:00", ["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:30 +0200"]),
        # The time that comes twice counts once, also for one who looks in between.
        ("30 2 * * *", "2026-10-24T12:00:00+00:00", ["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"]),
        ("30 2 * * *", "2026-10-25T01:10:00+00:00", ["Mon 2026-10-26 02:30 +0100"]),
        # Every hour is every hour.
        ("0 * * * *", "2026-03-29T00:30:00+00:00", ["Sun 2026-03-29 03:00 +0200", "Sun 2026-03-29 04:00 +0200"]),
        (
            "0 * * * *",
            "2026-10-24T23:30:00+00:00",
            ["Sun 2026-10-25 02:00 +0200", "Sun 2026-10-25 02:00 +0100", "Sun 2026-10-25 03:00 +0100"],
        ),
        (
            "*/30 * * * *",
            "2026-10-25T00:50:00+00:00",
            ["Sun 2026-10-25 02:00 +0100", "Sun 2026-10-25 02:30 +0100", "Sun 2026-10-25 03:00 +0100"],
        ),
    ],
)
def test_times_when_the_clocks_change(text, after, expected):
    assert times(f"TZ=Europe/Berlin {text}", after, len(expected)) == expected


def test_an_hourly_schedule_fires_for_each_hour_of_the_night_in_which_the_clocks_are_set_back():
    trigger = CronTrigger("TZ=Europe/Berlin 0 * * * *")
    memory, keys = {}, []
    for hour in range(21, 27):
        now = datetime(2026, 10, 24, tzinfo=UTC) + timedelta(hours=hour, minutes=5)
        look = trigger.look(memory, now)
        memory, keys = look.memory, keys + [firing.key for firing in look.firings]
    assert keys == [f"cron:2026-10-{day}:00:00+00:00" for day in ("24T22", "24T23", "25T00", "25T01", "25T02")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 25 * * *", "is '0 25 * * *'"),
        ("0 3 * * 8", "is '0 3 * * 8': bad day-of-week"),
        ("0 3 * * nonday", "is '0 3 * * nonday'"),
        ("TZ=Mars/Base 0 3 * * *", "names the time zone 'Mars/Base'"),
        ("0 0 31 2 *", "is '0 0 31 2 *': bad day-of-month"),
        ("0 0 31 2,4 *", "is '0 0 31 2,4 *': bad day-of-month"),
        ("0 0 * * 1#2", "a field has numbers, names of three letters and * , - /"),
        ("0 0 * * L", "bad day-of-week"),
    ],
)
def test_what_is_no_schedule(text, message):
    with pytest.raises(ValueError) as error:
        parse_cron(text)
    assert message in str(error.value)
    assert "write" in str(error.value)


def test_each_time_fires_once_and_missed_ones_are_one():
    trigger = CronTrigger("0 * * * *")
    now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    first = trigger.look({}, now)
    assert first.firings == ()
    assert first.note == "next at 2026-01-01 01:00 UTC"

    on_time = trigger.look(first.memory, now + timedelta(minutes=30))
    assert [firing.key for firing in on_time.firings] == ["cron:2026-01-01T01:00:00+00:00"]
    # Killed before the memory was written: the same look gives the same key.
    assert trigger.look(first.memory, now + timedelta(minutes=40)).firings[0].key == on_time.firings[0].key
    assert trigger.look(on_time.memory, now + timedelta(minutes=40)).firings == ()

    late = trigger.look(on_time.memory, now + timedelta(hours=4))
    assert len(late.firings) == 1
    assert "04:00 UTC; 2 earlier times had been missed" in late.firings[0].payload.why


def test_a_clock_that_is_set_back_repeats_nothing():
    trigger = CronTrigger("0 * * * *")
    noon = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    memory = trigger.look({"last": (noon - timedelta(hours=1)).isoformat()}, noon).memory
    back = trigger.look(memory, noon - timedelta(minutes=30))
    assert back.firings == ()
    # The ledger takes a key once.
    again = trigger.look(back.memory, noon + timedelta(minutes=1)).firings
    assert [firing.key for firing in again] == ["cron:2026-01-01T12:00:00+00:00"]


def test_the_pause_ends_with_the_next_time_or_after_a_minute():
    trigger = CronTrigger("0 * * * *")
    assert trigger.pause(datetime(2026, 1, 1, 0, 30, tzinfo=UTC)) == 60
    assert trigger.pause(datetime(2026, 1, 1, 0, 59, 40, tzinfo=UTC)) == 20


def test_a_minute_schedule_after_years_is_quick():
    trigger = CronTrigger("* * * * *")
    look = trigger.look({"last": "2016-01-01T00:00:00+00:00"}, datetime(2026, 1, 1, tzinfo=UTC))
    assert len(look.firings) == 1
    assert trigger.look(look.memory, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)).firings == ()


def test_a_clock_that_was_set_back_silences_no_schedule():
    trigger = CronTrigger("0 * * * *")
    ahead = trigger.look({}, datetime(2026, 1, 4, 0, 30, tzinfo=UTC))
    now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    back = trigger.look(ahead.memory, now)
    assert (back.firings, back.note) == ((), "next at 2026-01-01 01:00 UTC")
    later = trigger.look(back.memory, now + timedelta(minutes=31))
    assert [firing.key for firing in later.firings] == ["cron:2026-01-01T01:00:00+00:00"]
    # A clock that is adjusted by a second does not fire again.
    assert trigger.look(later.memory, now + timedelta(minutes=30)).firings == ()
    assert trigger.look(later.memory, now + timedelta(minutes=30)).memory == later.memory
