"""Finds what an error of the user's code says itself, and where in their files it arose.

TensorFlow, Keras and Beam wrap errors into messages of their own: `in user code` blocks (one inside the other), `Graph
execution error` with the stack of the operation, tracebacks as part of a message, `[while running …]`.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from hilir.components.user_modules import find_folders

_USER_CODE = "in user code:"
_GRAPH_ERROR = "Graph execution error:"
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<path>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)
# What stands before the message of an operation, and behind it.
_FUNCTION_NODE = re.compile(r"^\s*(?:\{\{function_node [^}]*\}\}\s*)+")
_NODE = re.compile(r"\s*\[\[\{\{(?:function_)?node .*", re.DOTALL)
_DETECTED = re.compile(r"^Detected at node [^\n]*(?:\n\s*<stack traces unavailable>)?\s*", re.MULTILINE)
_ROOT_ERROR = re.compile(r"^\d+ root error\(s\) found\.\s*\(0\)\s*[A-Z_]+:\s*", re.MULTILINE)
_WHILE_RUNNING = re.compile(r"\s*\[while running '[^\n]*'\]|\s*\[while running \"[^\n]*\"\]")
_EXCEPTION = re.compile(
    r"(?P<kind>[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Failed|Refused))(?:: ?(?P<message>.*))?"
)
# A class of the user's may have any name.
_ANY_EXCEPTION = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
# TensorFlow Transform quotes the error of its graph, and adds the whole batch.
_TRANSFORMED = re.compile(
    r'\s*An error occurred while trying to apply the transformation: "(.*?)"\.\s+Batch instances: .*', re.DOTALL
)
# Keras wraps the error of a layer's `call`.
_LAYER = "Exception encountered when calling "
_IN_LAYER = re.compile(_LAYER + r"[^\n]*\n\n(.*?)(?:\n\nCall arguments received|\Z)", re.DOTALL)
_MAX_LENGTH = 1000
# The values of a tensor or array, which say less than its shape beside them.
_VALUES = re.compile(r"\[[\s\d\[\],.+\-e]{80,}\]")
# Errors of hilir's own, whose message is the whole text for the user, and the one that stands for a user's error.
_OURS = "hilir."
_OF_USER = "UserCodeError"
# Lines of logs that may follow a traceback: glog's and absl's.
_LOGGED = re.compile(r"[IWEF]\d{4} ")
_INSTALLED = ("site-packages", "dist-packages")
_HILIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass(frozen=True)
class Cause:
    """What went wrong.

    Attributes:
        kind: class of the innermost error, without its module.
        message: its own message.
        place: `file:line` of the deepest frame in the user's files; None if there is none.
        planned: it is one of hilir's own errors, whose message needs no traceback.
    """

    kind: str
    message: str
    place: str | None
    planned: bool = False

    @property
    def is_interrupt(self) -> bool:
        """Whether a signal stopped the program: Beam wraps what arises within a step of its own."""
        return KeyboardInterrupt.__name__ in (self.kind, self.message)

    def __str__(self) -> str:
        if self.planned or self.kind == _OF_USER:
            return self.message
        text = f"{self.kind}: {self.message}" if self.message else self.kind
        return f"{text} ({self.place})" if self.place else text


def find_user_folders(package: str = "") -> list[str]:
    """Returns where the user's files are: the folders of the import path that Python and pip did not put there.

    Args:
        package: import path of the model package, which may be installed as well.
    """
    # A program's own folder (`bin`) is on the path, too.
    python = [sysconfig.get_path(name) for name in ("stdlib", "scripts")]
    folders = [os.path.abspath(entry) for entry in sys.path if Path(entry or ".").is_dir()]
    found = [
        folder
        for folder in folders
        if not set(_INSTALLED) & set(Path(folder).parts) and not any(_is_below(folder, each) for each in python)
    ]
    return [*found, *find_folders(package or "")]


def describe(cause: Cause, log: str | os.PathLike[str]) -> str:
    """Returns the text for the user about a cause whose traceback is in the file `log`."""
    return str(cause) if cause.planned else f"{cause}; the whole traceback is in {os.fspath(log)}"


def find_cause(error: BaseException, folders: Sequence[str]) -> Cause:
    """Returns the cause of an exception.

    Args:
        error: as it was caught; the errors that it was raised from count too.
        folders: where the user's files are.
    """
    chain = list(_chain(error))
    ours = next((each for each in _contexts(error) if _is_ours(_kind(each))), None)
    if ours is not None:
        return _make(_kind(ours), str(ours), [])
    places = [place for each in chain for place in _places(each, folders)]
    return _make(*_unwrap(_kind(chain[-1]), str(chain[-1])), places)


def read_cause(text: str, folders: Sequence[str]) -> Cause | None:
    """Returns the cause that a traceback names, as a program prints it; None if the text has no traceback."""
    if _TRACEBACK not in text:
        return None
    return _make(*_unwrap("Error", text), list(_places_in(text, folders)))


def _make(kind: str, message: str, places: Sequence[str]) -> Cause:
    name, ours = kind.rpartition(".")[2], _is_ours(kind)
    place = places[-1] if places and not ours else None
    return Cause(name, message if ours else message[:_MAX_LENGTH], place, planned=ours and name != _OF_USER)


def _is_ours(kind: str) -> bool:
    return kind.startswith(_OURS)


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields the error and what it was raised from; an error while another one was handled counts as one of its own."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _contexts(error: BaseException) -> Iterator[BaseException]:
    """Yields the error and all that it followed, also what was handled when it arose."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _places(error: BaseException, folders: Sequence[str]) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield from _place(frame.f_code.co_filename, line, folders)
    yield from _places_in(str(error), folders)


def _places_in(text: str, folders: Sequence[str]) -> Iterator[str]:
    for found in _FRAME.finditer(text):
        yield from _place(found["path"], int(found["line"]), folders)


def _place(path: str, line: int, folders: Sequence[str]) -> Iterator[str]:
    """Yields the place if it is in one of the folders, as seen from the current folder where that is shorter.

    The project's folder may have hilir's sources and an environment with installed packages in it.
    """
    file = Path(path)
    inside = [file.relative_to(folder) for folder in folders if file.is_relative_to(folder)]
    if any(not set(_INSTALLED) & set(each.parts) for each in inside) and not _is_below(path, _HILIR):
        shown = os.path.relpath(path)
        yield f"{path if shown.startswith('..') else shown}:{line}"


def _is_below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def _unwrap(kind: str, text: str) -> tuple[str, str]:
    """Returns class and message of the innermost error in a message."""
    while True:
        inner = _innermost(text)
        if inner is None:
            return kind, _clean(text)
        kind, text = inner


def _innermost(text: str) -> tuple[str, str] | None:
    """Returns class and message of the last error that the text quotes; None if it quotes none."""
    if _USER_CODE in text:
        return _quoted(text.rpartition(_USER_CODE)[2], 0)
    if _TRACEBACK in text:
        # Frames are indented, their error is not.
        return _quoted(text.rpartition(_TRACEBACK)[2], 2)
    return None


def _quoted(block: str, frames: int) -> tuple[str, str] | None:
    """Returns the error below the frames of a block: the first line of an error's form, with those that follow."""
    lines = _indented_alike(block.splitlines()[1:], frames)
    for form in (_EXCEPTION, _ANY_EXCEPTION):
        for number, line in enumerate(lines):
            found = form.fullmatch(line)
            if found is not None:
                message = found["message"] or ""
                return found["kind"], "\n".join([message, *_continued(message, lines[number + 1 :])])
    return None


def _indented_alike(lines: Sequence[str], frames: int) -> list[str]:
    """Returns the lines up to one that is indented less than the first, without their common indentation.

    `frames`: by how much its frames are indented more than the error of the block.
    """
    first = next((line for line in lines if line.strip()), "")
    margin = max(len(first) - len(first.lstrip()) - frames, 0)
    kept = takewhile(lambda line: not line.strip() or not line[:margin].strip(), lines)
    return [line[margin:] for line in kept]


def _continued(message: str, lines: Sequence[str]) -> Iterator[str]:
    """Yields the lines behind the first one of a message, up to the next paragraph.

    A graph's error has its message in a paragraph after the next.
    """
    if any(_GRAPH_ERROR in line for line in (message, *lines[:1])):
        yield from lines
        return
    if message.startswith(_LAYER):
        # What went wrong is the paragraph after it.
        yield from takewhile(lambda line: not line.startswith("Call arguments received"), lines)
        return
    for line in lines:
        followed = line.lstrip().startswith(("During handling", "The above exception"))
        if not line.strip() or followed or _LOGGED.match(line):
            return
        yield line


def _clean(text: str) -> str:
    layer = _IN_LAYER.match(text.strip())
    if layer is not None:
        text = layer[1]
    text = _ROOT_ERROR.sub("", _FUNCTION_NODE.sub("", text.strip()))
    text = _TRANSFORMED.sub(r"\1", text).strip()
    if text.startswith(_GRAPH_ERROR):
        # The stack of the operation, one frame a paragraph, and then what the operation says.
        paragraphs = [_DETECTED.sub("", part.strip()) for part in _NODE.sub("", text).split("\n\n")]
        messages = [part for part in paragraphs[1:] if part and not part.startswith("File ")]
        text = messages[-1] if messages else paragraphs[-1]
    text = _NODE.sub("", _WHILE_RUNNING.sub("", text))
    return _VALUES.sub("[…]", _ROOT_ERROR.sub("", text)).strip()
