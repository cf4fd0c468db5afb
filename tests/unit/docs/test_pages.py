"""The guides' pages: the generated ones are those of this code, and all of them are in the navigation."""

import ast
import re

import pytest
import yaml

from hilir.pipeline.config.documented_keys import base_path, read_keys
from scripts.docs import FOLDER, PAGES
from scripts.docs.markdown import code, escape
from tests.conftest import ROOT
from tests.guides import list_pages


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_that_of_this_code(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "type 'python -m scripts.docs'"


def test_every_key_is_in_the_reference_with_its_default():
    keys = read_keys(base_path().read_text(encoding="utf-8"))
    found = {key.path: yaml.safe_load(key.default) for key in keys if key.default}

    def list_values(value, above=""):
        for key, below in value.items():
            path = f"{above}.{key}".lstrip(".")
            if isinstance(below, dict) and path not in found:
                yield from list_values(below, path)
            else:
                yield path, below

    assert dict(list_values(yaml.safe_load(base_path().read_text(encoding="utf-8")))) == found
    assert all(f"`{path}`" in (FOLDER / "configuration.md").read_text(encoding="utf-8") for path in found)


def test_a_line_that_is_no_key_is_refused():
    with pytest.raises(ValueError, match="line 2: is not 'key: value  # comment' on one line"):
        read_keys("model:\n  - entry\n")


def test_text_stays_what_it_is_in_a_cell():
    assert escape("a|b *c* `d` [e] <f>") == r"a\|b \*c\* `d` \[e\] &lt;f&gt;"
    assert code("a|b") == "<code>a&#124;b</code>"


def list_files(entries):
    for entry in entries:
        for below in entry.values():
            yield from [below] if isinstance(below, str) else list_files(below)


def test_every_page_is_in_the_navigation_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(list_files(site["nav"])) == [str(page.relative_to(ROOT / "docs")) for page in list_pages()]
    assert site["theme"]["font"] is False


def test_every_picture_is_there_and_described():
    shown = [
        (page, alt, path)
        for page in list_pages()
        for alt, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(shown) >= 3
    assert [path for page, _, path in shown if not (page.parent / path).is_file()] == []
    assert [path for _, alt, path in shown if len(alt) < 30] == []
    files = list((ROOT / "docs/pictures").iterdir())
    assert {file.name for file in files} == {path.rpartition("/")[2] for _, _, path in shown}
    assert sum(file.stat().st_size for file in files) < 600_000


QUOTED = re.compile(r"^### `(.+)`$", re.MULTILINE)
# What users do not meet as a message of hilir: faults of calls inside, and answers to clients, which name their fields.
_INNER = {
    "ValueError", "TypeError", "AssertionError", "OSError", "EOFError", "NotImplementedError", "FileExistsError",
    "FileNotFoundError", "StatusError", "ConditionError", "CellError", "BodyError", "FilterError", "RowRefused",
    "QuotaRefused", "ServingError", "TensorError",
}  # fmt: skip


def read_text(node):
    """Returns the string that a node is, with an ellipsis for what is put into it; nothing for other nodes."""
    match node:
        case ast.JoinedStr():
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        case ast.Constant(value=str()):
            return node.value
    return ""


def list_trees():
    """Yields the code of the rooms that print messages."""
    for folder in ("src/hilir/setup", "pipeline", "components", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def is_quoted(message, quoted):
    return re.search("[^\0]*".join(map(re.escape, quoted.split("…"))), message) is not None


def test_every_kind_of_error_is_in_troubleshooting():
    messages = {}
    for tree in list_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                text = "".join(map(read_text, node.args))
                if re.fullmatch(r"[A-Z]\w*(Error|Refused)", name) and text:
                    messages.setdefault(name, []).append(text)
    quoted = QUOTED.findall((ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"))
    assert len(messages) > 20
    missing = [
        name
        for name in set(messages) - _INNER
        if not any(is_quoted(message, each) for message in messages[name] for each in quoted)
    ]
    assert missing == [], "put the message of these that users meet most into docs/troubleshooting.md"


def list_messages():
    """Yields the strings of the code; what is put into them is an ellipsis."""
    return (text for tree in list_trees() for node in ast.walk(tree) if (text := read_text(node)))


def test_every_message_of_troubleshooting_is_one_of_the_code():
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    quoted = QUOTED.findall(text)
    assert len(quoted) >= 50
    assert len(quoted) == len(re.findall(r"^### ", text, re.MULTILINE))
    messages = "\0".join(list_messages())
    assert [each for each in quoted if not is_quoted(messages, each)] == []
