"""What a terminal shows after a program has written to it: text, colours, lines that were written over."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(
    r"\x1b\[(?P<numbers>[\d;?]*)(?P<verb>[A-Za-z])|\x1b.|(?P<control>[\x00-\x1f])|(?P<text>[^\x00-\x1f\x1b]+)"
)
_COLOURS = {1: "bold", 2: "dim", 31: "red", 32: "green", 34: "blue", 36: "cyan"}


@dataclass(frozen=True)
class Span:
    """Characters of one look; `look` is a class of the picture's style sheet, or empty."""

    text: str
    look: str


class Terminal:
    """Understands what our programs write: carriage return, cursor up, erase in line, colours."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._lines: list[list[tuple[str, str]]] = [[]]
        self._row = self._column = 0
        self._look = ""

    def write(self, text: str) -> None:
        """Takes what a program has written."""
        for part in _PART.finditer(text):
            if part["text"]:
                for character in part["text"]:
                    self._put(character)
            elif part["control"] == "\n":
                self._move(self._row + 1, 0)
            elif part["control"] == "\r":
                self._column = 0
            elif part["verb"]:
                self._obey(part["verb"], [int(number) for number in re.findall(r"\d+", part["numbers"])])

    def lines(self) -> list[list[Span]]:
        """Returns what each line shows; without the empty ones at the end."""
        found = []
        for line in self._lines:
            spans: list[Span] = []
            for character, look in line:
                if spans and spans[-1].look == look:
                    spans[-1] = Span(spans[-1].text + character, look)
                else:
                    spans.append(Span(character, look))
            found.append(spans)
        while found and not any(span.text.strip() for span in found[-1]):
            found.pop()
        return found

    def _put(self, character: str) -> None:
        if self._column >= self._columns:
            self._move(self._row + 1, 0)
        line = self._lines[self._row]
        line.extend([(" ", "")] * (self._column + 1 - len(line)))
        line[self._column] = (character, self._look)
        self._column += 1

    def _move(self, row: int, column: int) -> None:
        self._row, self._column = max(row, 0), column
        while len(self._lines) <= self._row:
            self._lines.append([])

    def _obey(self, verb: str, numbers: list[int]) -> None:
        match verb:
            case "A":
                self._move(self._row - (numbers or [1])[0], self._column)
            case "K":
                keep = 0 if numbers[:1] == [2] else self._column
                del self._lines[self._row][keep:]
            case "m":
                looks = [_COLOURS[number] for number in numbers if number in _COLOURS]
                self._look = " ".join(looks)
