"""The model card of a version."""

from __future__ import annotations

from hilir.components.pusher.card import describe_model

SETTINGS = {
    "model": "taxi",
    "thresholds": [
        {"metric": "auc", "min": 0.8, "change": {"absolute": -0.02}},
        {"metric": "loss", "slice": "hour", "max": 1},
    ],
    "code": {"fingerprint": "abc", "commit": None},
    "card": {"owner": "Ada", "intended_use": "# not a title\n<script>"},
}
METRICS = {
    "hour=10": {"auc": 0.6, "example_count": 5.0},
    "hour=3": {"auc": 0.7, "example_count": 50.0},
    "overall": {"auc": 0.9, "example_count": 100.0},
}


def test_the_card_has_what_people_and_what_figures_say() -> None:
    lines = describe_model(SETTINGS, METRICS, {"span": 3, "version": None, "fingerprint": "f00"}, "taxi-1").splitlines()
    assert lines[:5] == ["# Model card: taxi", "", "## Owner", "", "Ada"]
    assert "\\# not a title \\<script\\>" in lines
    assert "Not given (`card.licence`)." in lines
    assert lines[lines.index("## Metrics") + 2 :][:5] == [
        "| slice | auc | example\\_count |",
        "| --- | ---: | ---: |",
        "| all rows | 0.9 | 100 |",
        "| hour=3 | 0.7 | 50 |",
        "| hour=10 | 0.6 | 5 |",
    ]
    assert "- auc, all rows: at least 0.8, absolute change of -0.02 against the model pushed before" in lines
    assert "- loss, hour: at most 1" in lines
    assert lines[lines.index("## Known weak slices") + 2 :][:2] == ["- hour=3: auc 0.7, 50 rows", ""]
    assert "- span: 3" in lines
    assert "- run: taxi-1" in lines
