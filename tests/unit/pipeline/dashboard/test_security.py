"""Who may read, and who may change something."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import requests

from hilir.pipeline.dashboard.server import read_token
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.errors import ConfigError
from hilir.serving.errors import ServingConfigError
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import Event, State, Version

TOKEN = "0123456789abcdef"


@pytest.fixture
def released(workplace: Workplace, add_version: Callable[..., Path]) -> Store:
    for number in (1, 2):
        add_version("taxi", number)
    store = Store(workplace.roots[0])
    event = Event(at="2026-11-26T01:00:00Z", verb="stage", version=1, stable=None, candidate=1, percent=0.0)
    store.write(
        State(
            model="taxi", served_root="/models", versions={1: Version(manifest="a"), 2: Version(manifest="b")},
            labels={"stable": 1, "candidate": 2}, split={"stable": 100.0}, history=(event,),
        )
    )  # fmt: skip
    return store


def load_form(session: requests.Session, url: str) -> str:
    page = session.get(f"{url}/versions", timeout=10).text
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""])
def test_other_names_get_nothing(url: str, host: str) -> None:
    answer = requests.get(f"{url}/", headers={"Host": host}, timeout=10)
    assert answer.status_code == 421 or (host == "" and answer.status_code == 400)
    assert "runs" not in answer.text


def test_every_answer_forbids_foreign_content(url: str) -> None:
    for path in ("/", "/nothing", "/style.css"):
        headers = requests.get(f"{url}{path}", timeout=10).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("change", "headers", "code"),
    [
        ({"token": "wrong"}, {}, 403),
        ({"csrf": "0" * 64}, {}, 403),
        ({"csrf": ""}, {}, 403),
        ({"verb": "delete"}, {}, 400),
        ({"model": "../taxi"}, {}, 400),
        ({"why": "x" * 20_000}, {}, 413),
        ({f"more{number}": "x" for number in range(30)}, {}, 400),
        ({}, {"Origin": "http://evil.example"}, 421),
    ],
)
def test_a_change_is_refused(
    url: str, released: Store, change: Mapping[str, str], headers: Mapping[str, str], code: int
) -> None:
    session = requests.Session()
    form = {"verb": "promote", "model": "taxi", "token": TOKEN, "csrf": load_form(session, url), **change}
    answer = session.post(f"{url}/versions", data=form, headers=headers, timeout=10)
    assert answer.status_code == code
    assert released.read("taxi").stable == 1
    assert len(released.read("taxi").history) == 1


def test_a_form_of_another_browser_is_refused(url: str, released: Store) -> None:
    csrf = load_form(requests.Session(), url)
    other = requests.Session()
    load_form(other, url)
    answer = other.post(
        f"{url}/versions", data={"verb": "promote", "model": "taxi", "token": TOKEN, "csrf": csrf}, timeout=10
    )
    assert answer.status_code == 403
    assert released.read("taxi").stable == 1


def test_what_the_release_refuses_is_shown(url: str, released: Store) -> None:
    session = requests.Session()
    form = {"verb": "promote", "model": "taxi", "token": TOKEN, "csrf": load_form(session, url)}
    answer = session.post(f"{url}/versions", data=form, timeout=20)
    assert answer.status_code == 409
    assert "Nothing was changed: " in answer.text
    assert released.read("taxi").stable == 1


def test_the_cookie_is_for_this_site_alone(url: str, released: Store) -> None:
    cookie = requests.get(f"{url}/versions", timeout=10).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("short\n")
    with pytest.raises(ServingConfigError, match="Everybody can read the token file"):
        read_token(path)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as error:
        read_token(path)
    assert str(error.value) == (
        f"--token-file {path}: has 5 characters, a token needs at least 16; "
        f"make one with 'openssl rand -hex 16 > {path}'"
    )
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
