"""The page as a person uses it: with mouse, finger, keyboard and screen reader, on a desktop and a phone."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

ONE = [(140, 40), (140, 240)]
ZERO = [(140 + 60 * math.sin(2 * math.pi * a / 20), 140 - 95 * math.cos(2 * math.pi * a / 20)) for a in range(21)]


def draw(page, points):
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    places = [(box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def expect_digit(page, digit):
    from playwright.sync_api import expect

    expect(page.locator("#digit")).to_have_text(digit)


def test_a_drawn_one_and_a_drawn_zero_are_recognised_live(visit, tmp_path):
    found = visit()
    page = found.ready()
    assert "Ready: TensorFlow.js 4.22.0, WebAssembly" in page.locator("#status").inner_text()
    for digit, points in (("1", ONE), ("0", ZERO)):
        page.click("#clear")
        expect_digit(page, "–")
        draw(page, points)
        expect_digit(page, digit)
        bar = page.locator("#bars li.top")
        assert bar.inner_text().startswith(digit)
        assert bar.locator(".bar").bounding_box()["width"] > 0.5 * bar.locator(".track").bounding_box()["width"]
    assert float(page.locator("#digits").get_attribute("data-latency")) < 50
    page.screenshot(path=tmp_path / "light.png", full_page=True)
    assert (tmp_path / "light.png").stat().st_size > 20_000


@pytest.mark.parametrize("variant", ["float16", "uint8"])
def test_each_variant_recognises_it_and_shows_its_figures(visit, variant):
    page = visit().ready()
    page.select_option("#digits .variant", variant)
    page.wait_for_selector(f"#digits[data-ready={variant}]")
    draw(page, ZERO)
    expect_digit(page, "0")
    figures = page.locator("#digits .figures").inner_text()
    assert "Version" in figures
    assert "kB" in figures
    assert figures.count("ms") == 2


def test_a_finger_on_a_phone_draws_in_the_dark(visit, tmp_path):
    from playwright.sync_api import expect

    found = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, color_scheme="dark")
    page = found.ready()
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    session = page.context.new_cdp_session(page)
    for step, (x, y) in enumerate(ZERO):
        point = {"x": box["x"] + x * box["width"] / 280, "y": box["y"] + y * box["height"] / 280}
        kind = "touchStart" if step == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#digit")).to_have_text("0")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 27)"
    page.screenshot(path=tmp_path / "dark.png", full_page=True)


def test_the_keyboard_alone_is_enough(visit):
    page = visit().ready()
    page.locator("#pixels [role=gridcell]").first.focus()
    for key in ["ArrowRight"] * 3 + [" ", "ArrowDown"] * 8:
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "row 8, column 4: 16 of 16"
    expect_digit(page, "1")
    page.keyboard.press("-")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "row 8, column 4: 12 of 16"
    assert page.evaluate("document.querySelectorAll('#pixels [tabindex=\"0\"]').length") == 1


def test_everything_has_a_name_for_a_screen_reader(visit):
    page = visit().ready()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, select, button, [role=grid], [role=img], [role=gridcell]')]
            .filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
            .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.get_by_role("status").count() == 3  # the page's own, and the two answers, announced when they change
    assert page.get_by_label("fare *").count() == 1
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Settings", "Which digit is it?", "taxi"]
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_page_works_without_a_network_once_loaded(visit, serve, models):
    server = serve(models)
    found = visit(server.url)
    page = found.ready()
    keep_all(page)
    server.stop()
    page.context.set_offline(True)
    page.reload()
    found.ready()
    assert page.locator("#alert").is_hidden()
    draw(page, ZERO)
    expect_digit(page, "0")
    page.select_option("#digits .variant", "uint8")
    page.wait_for_selector("#digits[data-ready=uint8]")
    found.choose("cpu")
    draw(page, ZERO)
    expect_digit(page, "0")
    found.errors.clear()  # the browser reports that it looked for a newer service worker in vain


def keep_all(page):
    """Waits until every file of the site is kept."""
    for _ in range(100):
        missing = page.evaluate(
            """async () => {
                const site = await (await fetch('site.json')).json();
                const kept = (await (await caches.open('hilir')).keys()).map((request) => request.url);
                return site.filter((path) => !kept.includes(new URL(path, location.href).href));
            }"""
        )
        if not missing:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not kept: {missing}")


def test_a_model_that_cannot_be_loaded_is_explained(visit, serve, models, tmp_path):
    import shutil

    shutil.copytree(models / "digits", tmp_path / "digits", ignore=shutil.ignore_patterns("*.bin"))
    found = visit(serve(tmp_path).url)
    page = found.ready()
    assert "The model digits, version 1, float32, cannot be loaded" in page.locator("#alert").inner_text()
    assert page.locator("#model-taxi").count() == 0
    assert any("404" in error for error in found.errors)
    found.errors.clear()


def test_without_a_model_the_page_says_how_to_export_one(visit, serve, tmp_path):
    page = visit(serve(tmp_path).url).ready()
    assert "hilir export tfjs VERSION" in page.locator("#missing").inner_text()
    assert page.locator("#digits").is_hidden()


def test_a_missing_webgl_is_explained_and_the_page_goes_on(visit, playwright):
    from tests.chromium import CHROMIUM, FLAGS

    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-3d-apis"])
    try:
        found = visit(chromium=chromium)
        page = found.ready()
        for backend, name in (("webgl", "WebGL"), ("webgpu", "WebGPU")):
            page.select_option("#backend", backend)
            page.wait_for_selector(f"#alert:has-text('This browser has no {name}')")
            assert page.locator("#backend").input_value() == "wasm"
        draw(page, ZERO)
        expect_digit(page, "0")
        page.context.close()
    finally:
        chromium.close()


def test_the_policy_lets_in_nothing_from_elsewhere(visit, url):
    import urllib.request

    with urllib.request.urlopen(url) as response:
        policy = response.headers["Content-Security-Policy"]
        body = response.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    for text in [body, *(path.read_text() for path in Path("deploy/browser").glob("*.js"))]:
        assert "https://" not in text
    found = visit()
    page = found.ready()
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("violates" in error for error in found.errors)
    found.errors.clear()
    found.foreign.clear()


def test_any_web_server_will_do_for_the_page(visit, models, tmp_path):
    import functools
    import subprocess
    import sys
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    command = [
        sys.executable,
        "-m",
        "hilir.pipeline.cli",
        "browse",
        "configs/taxi.yaml",
        "--set",
        f"serving.root={models}",
    ]
    done = subprocess.run([*command, "--write", tmp_path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = visit(f"http://127.0.0.1:{server.server_address[1]}/").ready()
        draw(page, ZERO)
        expect_digit(page, "0")
        server.shutdown()
