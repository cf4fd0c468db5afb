"""The verbs of the dashboard's page, on a real model server behind a real Envoy."""

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
import requests

from hilir.pipeline.dashboard.actions import Targets
from hilir.pipeline.dashboard.security import Guard
from hilir.pipeline.dashboard.server import make_server
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.serving.notify import Channel

TOKEN = "0123456789abcdef"


class Page:
    """What a person does on the page of versions: load it, fill in the form of a model, press a button."""

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model = f"{url}/versions", model
        self.session = requests.Session()

    def read(self) -> str:
        """The part of the page about the model."""
        page = self.session.get(self.url, timeout=20)
        assert page.status_code == 200
        return self.find_part(page.text)

    def find_part(self, text: str) -> str:
        found = re.search(rf'<section class="model" aria-label="{self.model}">.*?</section>', text, re.DOTALL)
        assert found is not None
        return found[0]

    def buttons(self) -> list[str]:
        return re.findall(r'name="verb" value="\w+">([^<]+)<', self.read())

    def press(self, button: str, why: str = "", token: str = TOKEN) -> requests.Response:
        part = self.read()
        verb = re.search(rf'name="verb" value="(\w+)">{button}<', part)
        csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', part)
        assert verb is not None, part
        assert csrf is not None
        form = {"csrf": csrf[1], "model": self.model, "verb": verb[1], "token": token, "why": why}
        return self.session.post(self.url, data=form, headers={"Origin": self.url.rpartition("/")[0]}, timeout=60)


@pytest.fixture
def dashboard(place, model, tmp_path) -> Iterator[str]:
    workplace = Workplace((tmp_path / "runs",), (tmp_path / "pipelines",), (place.root,), (tmp_path / "watch",))
    notified = Channel(command=["tee", "-a", str(tmp_path / "notified")], events=["promote"])
    targets = Targets(
        (f"http://127.0.0.1:{place.server.rest_port}",), timeout=30.0, actor="ada@page", channels={model: [notified]}
    )
    with make_server(("127.0.0.1", 0), workplace, Guard(TOKEN), targets) as server:
        yield server.url


def test_a_version_is_promoted_and_rolled_back_from_the_page(place, released, dashboard, tmp_path):
    place.release("stage", 2, model=released)
    page = Page(dashboard, released)
    assert page.buttons() == ["Promote version 2", "Roll back"]
    answer = page.press("Promote version 2", "better in every slice")
    assert answer.status_code == 200
    assert f"Done: {released}: stable 2" in re.sub(r"<[^>]+>", "", answer.text)
    assert place.answering(released) == 2
    assert place.state(released)["labels"] == {"stable": 2}
    answer = page.press("Roll back", "too many complaints")
    assert answer.status_code == 200
    assert place.answering(released) == 1
    entries = place.state(released)["history"][-2:]
    assert [(entry["verb"], entry["actor"], entry["why"]) for entry in entries] == [
        ("promote", "ada@page", "better in every slice"),
        ("rollback", "ada@page", "too many complaints"),
    ]
    (sent,) = (tmp_path / "notified").read_text().splitlines()
    told = json.loads(sent)
    assert (told["event"], told["model"], told["version"], told["actor"]) == ("promote", released, 2, "ada@page")
    shown = page.read()
    assert "too many complaints" in shown
    assert "Stable is version 1" in shown


def test_a_version_that_needs_it_is_approved_from_the_page(place, model, dashboard, tmp_path, monkeypatch):
    config = tmp_path / "project.yaml"
    config.write_text(f"model: {{name: {model}}}\nrelease: {{approval: required}}\n")
    monkeypatch.setenv("HILIR_ACTOR", "bo@desk")
    place.release("stage", 1, "--config", config, model=model)
    page = Page(dashboard, model)
    assert page.buttons() == ["Approve version 1", "Promote version 1", "Roll back"]
    refused = page.press("Promote version 1")
    assert refused.status_code == 409
    assert "version 1 needs the approval of somebody who did not stage it" in refused.text
    assert page.press("Approve version 1").status_code == 200
    assert "approved by ada@page" in page.read()
    assert page.press("Promote version 1").status_code == 200
    assert place.answering(model) == 1


def test_a_configuration_that_asks_for_approval_is_followed(place, released, tmp_path):
    place.release("stage", 2, model=released)
    workplace = Workplace((tmp_path / "runs",), (tmp_path / "pipelines",), (place.root,), (tmp_path / "watch",))
    targets = Targets((f"http://127.0.0.1:{place.server.rest_port}",), timeout=30.0, approval=frozenset({released}))
    with make_server(("127.0.0.1", 0), workplace, Guard(TOKEN), targets) as server:
        page = Page(server.url, released)
        assert page.press("Promote version 2").status_code == 409
        assert page.buttons() == ["Approve version 2", "Promote version 2", "Roll back"]
    assert place.answering(released) == 1


def test_a_wrong_token_changes_nothing(place, released, dashboard):
    place.release("stage", 2, model=released)
    before = place.state(released)
    refused = Page(dashboard, released).press("Promote version 2", token="0123456789abcdeX")
    assert refused.status_code == 403
    assert "that is not the dashboard&#39;s token; nothing was changed" in refused.text
    assert place.state(released) == before
    assert place.answering(released) == 1


def test_a_server_that_does_not_answer_is_named(place, released, tmp_path):
    place.release("stage", 2, model=released)
    workplace = Workplace((tmp_path / "runs",), (tmp_path / "pipelines",), (place.root,), (tmp_path / "watch",))
    with make_server(
        ("127.0.0.1", 0), workplace, Guard(TOKEN), Targets(("http://127.0.0.1:9",), timeout=2.0)
    ) as server:
        refused = Page(server.url, released).press("Promote version 2")
    assert refused.status_code == 409
    assert "http://127.0.0.1:9" in refused.text
    assert place.answering(released) == 1


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_a_browser_sends_the_form(place, released, dashboard, browser, script):
    place.release("stage", 2, model=released)
    with contextlib.closing(browser.new_context(java_script_enabled=script)) as context:
        page = context.new_page()
        page.goto(f"{dashboard}/versions")
        part = page.get_by_role("region", name=released, exact=True)
        part.get_by_label("Token").fill(TOKEN)
        part.get_by_label("Why").fill("seen in a browser")
        part.get_by_role("button", name="Promote version 2").click()
        page.get_by_role("status").wait_for(timeout=30_000)
        assert page.get_by_role("status").inner_text().startswith(f"Done: {released}: stable 2")
        assert place.answering(released) == 2
        part.get_by_label("Token").fill(TOKEN)
        part.get_by_role("button", name="Roll back").click()
        page.get_by_text(f"Done: {released}: stable 1").wait_for(timeout=30_000)
    assert place.answering(released) == 1
    assert [entry["verb"] for entry in place.state(released)["history"]][-2:] == ["promote", "rollback"]
