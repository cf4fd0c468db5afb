from __future__ import annotations

import pytest

from hilir.components.trainer.export.safe_names import make_parameters


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("trip_miles", "trip_miles"),
        ("Order Total", "Order_Total"),
        ("items.count", "items_count"),
        ("total-price", "total_price"),
        ("2nd_floor", "input_2nd_floor"),
        ("class", "input_class"),
        ("self", "input_self"),
        ("_hidden", "input_hidden"),
        ("m²", "m_"),
        ("名前", "input_"),
        ("None", "input_None"),
    ],
)
def test_a_parameter_is_an_identifier_and_a_valid_name_stays(name, parameter):
    assert make_parameters([name]) == {name: parameter}
    assert parameter.isidentifier()


def test_names_that_would_collide_get_numbers_and_those_that_are_valid_stay():
    names = ["a b", "a_b", "a:b", "A B", "a_b_2"]
    found = make_parameters(names)
    assert found["a_b"] == "a_b"
    assert found["a_b_2"] == "a_b_2"
    assert len({parameter.lower() for parameter in found.values()}) == len(names)
    assert found == make_parameters(reversed(names))
