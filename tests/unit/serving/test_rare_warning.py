"""What goes on happening is logged once a minute."""

import logging

from hilir.serving import rare_warning
from hilir.serving.rare_warning import RareWarning


def test_only_the_first_of_many_is_logged_and_the_next_one_counts_them(caplog, monkeypatch):
    warning = RareWarning(logging.getLogger("test"))
    for number in range(5):
        warning.warn(f"fault {number}")
    monkeypatch.setattr(rare_warning, "_SECONDS", 0.0)
    warning._next = 0.0
    warning.warn("fault 5")
    warning.warn("fault 6")
    assert caplog.messages == ["fault 0", "fault 5 (4 more since the last warning)", "fault 6"]
