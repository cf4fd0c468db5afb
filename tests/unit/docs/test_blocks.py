"""The guides' blocks of code: each is marked, and the commands in them exist."""

import subprocess
import sys

import click
import pytest
import yaml

from hilir.pipeline.config.documented_keys import base_path, read_keys
from tests.conftest import ROOT
from tests.guides import (
    FOLDER,
    find_unknown,
    list_commands,
    list_mentions,
    list_pages,
    parse_command,
    read_blocks,
    run_page,
)

BLOCKS = [block for page in list_pages() for block in read_blocks(page)]
KEYS = {key.path: key.default for key in read_keys(base_path().read_text())}


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A folder in which CONFIG may be left out."""
    (tmp_path / "mine.yaml").write_text("model: {name: mine, package: mine}\n")
    monkeypatch.chdir(tmp_path)


def write_page(folder, text):
    page = folder / "page.md"
    page.write_text(text)
    return page


def test_every_block_is_marked():
    assert len(BLOCKS) > 40
    unmarked = [block.place for block in BLOCKS if block.mark is None]
    assert unmarked == [], "put <!-- run -->, <!-- cloud --> or <!-- shown --> on the line before the fence"
    assert [block.place for block in BLOCKS if block.language not in ("sh", "console", "yaml", "text", "python")] == []


def test_only_shell_is_run():
    assert {block.language for block in BLOCKS if block.mark == "run"} == {"sh"}


def test_every_command_of_a_block_exists(project):
    found = [(block, words) for block in BLOCKS for words in list_commands(block)]
    assert len(found) > 30
    wrong = []
    for block, words in found:
        try:
            parse_command(words)
        except click.UsageError as error:
            wrong.append(f"{block.place}: {' '.join(words)}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize("page", [*list_pages(), ROOT / "README.md"], ids=lambda page: page.name)
def test_every_command_in_the_text_exists(page):
    wrong = [f"{' '.join(words)}: {unknown}" for words in list_mentions(page) if (unknown := find_unknown(words))]
    assert wrong == []


def list_paths(value, above=""):
    for key, below in value.items():
        path = f"{above}.{key}".lstrip(".")
        if isinstance(below, dict) and not KEYS.get(path):
            yield from list_paths(below, path)
        else:
            yield path


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "yaml"], ids=lambda block: block.place)
def test_every_key_of_a_configuration_exists(block):
    assert set(list_paths(yaml.safe_load(block.text))) - set(KEYS) == set()


def test_an_unmarked_block_and_a_wrong_command_are_found(tmp_path, project):
    text = "Text\n\n    hilir run\n\n- entry\n\n    its second paragraph\n\n"
    text += "```sh\nhilir serve\n```\n\n<!-- run -->\n```sh\n"
    text += "A=1 true | hilir run x.yaml > hilir.log && hilir release stagee 3   # hilir nonsense\n"
    text += "hilir run --chek; x='\nhilir'\n```\n"
    first, second, third = read_blocks(write_page(tmp_path, text))
    assert [first.mark, second.mark, third.mark] == [None, None, "run"]
    commands = list_commands(third)
    assert commands == [["hilir", "run", "x.yaml"], ["hilir", "release", "stagee", "3"], ["hilir", "run", "--chek"]]
    parse_command(commands[0])
    with pytest.raises(click.UsageError, match="No such command 'stagee'"):
        parse_command(commands[1])
    with pytest.raises(click.UsageError, match=r"No such option.*--chek"):
        parse_command(commands[2])
    assert find_unknown(["hilir", "release", "stage|promot", "3"]) == "stage|promot"
    assert find_unknown(["hilir", "runs", "diff", "A", "B", "--htm", "FILE"]) == "--htm"
    assert find_unknown(["hilir", "watch", "CONFIG"]) == ""


def test_commands_are_parsed_without_tensorflow(tmp_path):
    code = (
        "import sys\nfrom tests.guides import *\n"
        "for page in list_pages():\n"
        "    for block in read_blocks(page):\n"
        "        for words in list_commands(block):\n"
        "            parse_command([*words, '--help'])\n"
        "print({'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stdout + done.stderr


def test_a_page_is_typed_in_one_shell_and_what_it_left_running_is_ended(tmp_path):
    text = """
<!-- run -->
```sh
name=value
sleep 600 &
echo $! > pid
```

<!-- shown -->
```sh
touch shown
```

<!-- run -->
```sh
echo "$name" > file
hilir --version
false
touch after
```
"""
    assert run_page(write_page(tmp_path, text), tmp_path, tmp_path / "log") == 1
    assert (tmp_path / "file").read_text() == "value\n"
    assert not (tmp_path / "shown").exists()
    assert not (tmp_path / "after").exists()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if line.startswith("==")] == ["== page.md, line 3", "== page.md, line 15"]
    pid = (tmp_path / "pid").read_text().strip()
    assert subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout.strip() in ("", "Z")


def test_the_guides_have_blocks_that_are_typed():
    assert {block.page for block in BLOCKS if block.mark == "run"} >= {FOLDER / "index.md"}
