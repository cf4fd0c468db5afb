"""What an endpoint remembers: it survives being written as labels, and being written twice."""

import re

from hilir.components.vertex_pusher import endpoint_labels as history


def test_a_push_remembers_what_served_before_it():
    labels = history.after_push({}, 7, {5: 10, 6: 90})
    assert history.read_last(labels) == 7
    assert history.read_previous(labels) == (6, 5)
    assert history.read_rolled_back(labels) == frozenset()


def test_a_rollback_is_remembered_once_and_until_traffic_is_given():
    labels = history.after_rollback({}, 3)
    assert history.after_rollback(labels, 3) == labels
    labels |= history.after_rollback(labels, 5)
    labels |= history.after_push(labels, 6, {4: 100})
    assert history.read_rolled_back(labels) == {3, 5}
    assert history.read_rolled_back(history.after_split(labels, {3})) == {5}


def test_what_was_rolled_back_is_kept_least():
    labels = history.after_rollback(history.after_rollback({}, 4), 2)
    assert history.order_for_keeping([1, 2, 3, 4, 5], labels) == [5, 3, 1, 4, 2]


def test_labels_stay_within_vertex_ais_bounds():
    labels: dict[str, str] = {}
    for number in range(10**9, 10**9 + 20):
        labels |= history.after_rollback(labels, number)
    labels |= history.after_push(labels, 10**9 + 20, {number: 5 for number in range(10**9, 10**9 + 20)})
    assert all(re.fullmatch(r"[a-z0-9_-]{0,63}", value) for value in labels.values())
    assert max(history.read_rolled_back(labels)) == 10**9 + 19, "the newest are kept"


def test_labels_of_others_are_no_versions():
    assert history.read_last({history.LAST: "x"}) == 0
    assert history.read_previous({history.PREVIOUS: "1_a_2"}) == (1, 2)
