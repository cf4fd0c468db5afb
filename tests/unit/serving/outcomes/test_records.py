import json

import pytest

from hilir.serving.outcomes.outcome_records import OutcomeRefused, keep_last, parse_batch, prediction_id

NOW = 1_800_000_000.0


def parse(*outcomes, now=NOW):
    return parse_batch(json.dumps({"outcomes": list(outcomes)}).encode(), now)


def test_an_outcome_is_about_a_prediction_or_about_a_user():
    one, other = parse({"id": "a-1#3", "name": "bought", "value": True}, {"user": "Ärger", "name": "spent", "value": 2})
    assert (one.request, one.row, one.user, one.value) == ("a-1", 3, "", 1.0)
    assert (other.request, other.row, other.user, other.value) == ("", 0, "Ärger", 2.0)
    assert (one.time, one.dated, one.received) == (NOW, False, NOW)


def test_the_id_of_a_prediction_is_its_request_and_row():
    for request, row in (("0f3c-1a", 0), ("urn:x/y=1@host", 12)):
        (found,) = parse({"id": prediction_id(request, row), "name": "n", "value": 1})
        assert (found.request, found.row) == (request, row)
    (found,) = parse({"id": "0f3c-1a", "name": "n", "value": 1})
    assert found.row == 0


def test_times_are_seconds_or_iso_8601_and_a_little_skew_is_taken_for_now():
    for value in (NOW - 60, "2027-01-15T07:59:00Z", "2027-01-15T09:59:00+02:00"):
        (found,) = parse({"user": "u", "name": "n", "value": 1, "time": value})
        assert (found.time, found.dated) == (NOW - 60, True)
    (found,) = parse({"user": "u", "name": "n", "value": 1, "time": NOW + 299})
    assert (found.time, found.dated) == (NOW, True)


GOOD = {"user": "u", "name": "n", "value": 1}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time": NOW + 301}, r"outcomes\[1\].time: 301 s in the future; set the sender's clock"),
        ({"time": NOW * 1000}, r"outcomes\[1\].time: must be seconds since 1970"),
        ({"time": "2027-01-15T08:00:00"}, r"outcomes\[1\].time: '2027-01-15T08:00:00' has no time zone"),
        ({"time": "yesterday"}, r"outcomes\[1\].time: 'yesterday' is not a time like"),
        ({"value": float("nan")}, r"outcomes\[1\].value: must be a finite number"),
        ({"value": 10**400}, r"outcomes\[1\].value: must be a finite number"),
        ({"value": None}, r"outcomes\[1\].value: must be a finite number"),
        ({"value": "a\x00b"}, r"outcomes\[1\].value: must be a string of 1 to 256 printable"),
        ({"name": ""}, r"outcomes\[1\].name: must be a string of 1 to 256 printable"),
        ({"name": "\ud800"}, r"outcomes\[1\].name: must be a string"),
        ({"user": 5}, r"outcomes\[1\].user: must be a string"),
        ({"id": "a#0"}, r"outcomes\[1\]: give either id, of a prediction, or user"),
        ({"when": 1}, r"outcomes\[1\]: unknown field 'when'; known are class, event, id, name, time, user, value"),
    ],
)
def test_one_wrong_outcome_refuses_the_batch_and_names_its_place(fields, message):
    with pytest.raises(OutcomeRefused, match=message):
        parse(GOOD, {**GOOD, **fields})


@pytest.mark.parametrize(
    "value",
    ["12,5", "-0,75", "1.234,50", "1,234.5", "1 234", "1\u202f234,5", "12 %", "12.5%", "€12", "$1,200", "12 €", "−12,5",
     "−12", "1.234.567", "1’234", "1'234.50", ",5", "12 EUR", "12,50 eur", "USD 12.5", "(12,5)", "($1,200)", "-$3",
     "$-3", "1 234 567,89", "0,5 ‰", "12.345.678,9"],
)  # fmt: skip
def test_a_number_written_for_people_is_no_class(value):
    with pytest.raises(OutcomeRefused, match=r"value: .* is a number written for people; write it like 1234\.5"):
        parse({"id": "a", "name": "spent", "value": value})


@pytest.mark.parametrize(
    "value",
    ["a,b", "1.2.3", "2024-01-02", "10.0.0.1", "12 rooms", "3,4-D", "50+", "1.234", "No. 5", "%", "12 345 6", "BMW 320",
     "EUR", "(a)", "3_4", "−", ",", "12 MB", "1,2,3", "A4"],
)  # fmt: skip
def test_names_of_classes_may_have_digits_and_marks(value):
    assert parse({"id": "a", "name": "seen", "value": value})[0].value == value


def test_a_class_with_the_name_of_a_number_is_said_to_be_one():
    (found,) = parse({"id": "a", "name": "offer", "class": "50%"})
    assert found.value == "50%"
    assert parse({"id": "a", "name": "stars", "class": "3", "value": None})[0].value == "3"
    with pytest.raises(OutcomeRefused, match=r"outcomes\[0\]: give either value or class"):
        parse({"id": "a", "name": "offer", "class": "50%", "value": 1})
    with pytest.raises(OutcomeRefused, match=r"outcomes\[0\].class: must be a string of 1 to 256"):
        parse({"id": "a", "name": "offer", "class": 50})


@pytest.mark.parametrize("name", ["a#", "#1", "a#-1", "a#1.5", "a#²", "a#12345678901"])
def test_ids_of_another_form_are_refused(name):
    with pytest.raises(OutcomeRefused, match=r"is not REQUEST#ROW, with a row from 0"):
        parse({"id": name, "name": "n", "value": 1})


@pytest.mark.parametrize("body", [b"", b"[]", b'{"outcomes": 1}', b"\xff", b"[" * 100_000])
def test_other_bodies_are_refused(body):
    with pytest.raises(OutcomeRefused, match=r"^the body "):
        parse_batch(body, NOW)
    with pytest.raises(OutcomeRefused, match="10001 outcomes in one batch; send at most 10000"):
        parse(*[GOOD] * 10_001)


def test_of_the_same_outcome_in_a_batch_the_last_counts():
    first, again, other = parse(GOOD, GOOD, {**GOOD, "value": 2})
    assert keep_last([first, again]) == [first]
    (kept,) = keep_last([first, again, other])
    assert (kept.value, kept.writes) == (2.0, 2)
    assert len(keep_last(parse(GOOD, {**GOOD, "event": "e"}, {**GOOD, "name": "m"}))) == 3
