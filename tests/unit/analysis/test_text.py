"""Text from outside is one line, and moves no cursor."""

from hilir.analysis.text import show_unprintable


def test_what_cannot_be_printed_is_written_out():
    assert show_unprintable("a\nb\x1b[2J\u202e\xa0\udc80") == "a\\nb\\x1b[2J\\u202e\\xa0\\udc80"
    assert show_unprintable("Größe 'm²' \"日本\" \\ é") == "Größe 'm²' \"日本\" \\ é"
