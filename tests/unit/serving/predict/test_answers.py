import numpy as np

from hilir.serving.predict.answers import AnswerColumns


def test_of_several_outputs_only_the_label_s_own_has_classes():
    columns = AnswerColumns({"clicked": ["no", "yes"]}, labels={"click": "clicked", "rating": "stars"})
    shown = np.array([[b"yes"], [b"yes"]], object)
    found = columns.make(
        {"click": np.float32([[0.75], [0.25]]), "rating": np.float32([[0.5], [1.0]]), "classes": shown}
    )
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "click_class": ["yes", "no"], "click": [0.75, 0.25], "rating": [0.5, 1.0],
    }  # fmt: skip


def test_the_only_output_has_the_only_classes():
    found = AnswerColumns({"kind": ["a", "b"]}).make({"scores": np.float32([[0.25, 0.75]])})
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "class": ["b"], "scores_a": [0.25], "scores_b": [0.75],
    }  # fmt: skip
