"""Schedules are read as crontab(5) says, with time zones, and nothing is missed or fired twice."""

from datetime import UTC, datetime, timedelta

import pytest

from hilir.pipeline.triggers.sources.cron import CronSchedule, next_after, parse_cron


def times(text: str, after: str, count: int) -> list[str]:
    schedule, moment, found = parse_cron(text), datetime.fromisoformat(after), []
    for _ in range(count):
        moment = next_after(schedule, moment)
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


def test_a_daily_time_stays_at_its_hour_when_the_clocks_change():
    # Europe/Berlin: 29 March 2026.
    assert times("TZ=Europe/Berlin 30 3 * * *", "2026-03-28T00:00:00+00:00", 3) == [
        "Sat 2026-03-28 03:30 +0100",
        "Sun 2026-03-29 03:30 +0200",
        "Mon 2026-03-30 03:30 +0200",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 25 * * *", "is '0 25 * * *'"),
        ("0 3 * * 8", "the weekday '8' is not between 0 and 7"),
        ("0 3 * * nonday", "is '0 3 * * nonday'"),
        ("TZ=Mars/Base 0 3 * * *", "names the time zone 'Mars/Base'"),
        ("0 0 31 2 *", "no day ever fits"),
    ],
)
def test_what_is_no_schedule(text, message):
    with pytest.raises(ValueError) as error:
        parse_cron(text)
    assert message in str(error.value)
    assert "write" in str(error.value)


def test_each_time_fires_once_and_missed_ones_are_one():
    trigger = CronSchedule("0 * * * *")
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
    trigger = CronSchedule("0 * * * *")
    noon = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    memory = trigger.look({"last": (noon - timedelta(hours=1)).isoformat()}, noon).memory
    back = trigger.look(memory, noon - timedelta(minutes=30))
    assert back.firings == ()
    assert trigger.look(back.memory, noon + timedelta(minutes=1)).firings == ()


def test_a_minute_schedule_after_years_is_quick():
    trigger = CronSchedule("* * * * *")
    look = trigger.look({"last": "2016-01-01T00:00:00+00:00"}, datetime(2026, 1, 1, tzinfo=UTC))
    assert len(look.firings) == 1
    assert trigger.look(look.memory, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)).firings == ()
