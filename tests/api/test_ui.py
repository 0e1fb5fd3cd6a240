"""The page's files, and the page itself in a real browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.api.ui import FILES
from router.keys import file
from tests.api.test_outcomes import asked, say
from tests.proxy.yard import CHEAP_THEN_DEAR, Proxy, Yard
from tests.ui.browser import CHROMIUM, Page, browser

SMALL = "sk-call-0123456789"
NASTY = "<img/src=x/onerror=alert(1)>"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")


async def test_files_are_open_and_hold_nothing(yard: Yard) -> None:
    """They come without a key, the same for everybody, under a policy that runs nothing else; data does not."""
    proxy = await yard(api_keys=(SMALL,))
    for name, kind in {**FILES, "": FILES["index.html"]}.items():
        got = await proxy.fetch("GET", f"/ui/{name}")
        assert (got.status, got.headers["content-type"]) == (200, kind)
        policy = got.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        again = await proxy.fetch("GET", f"/ui/{name}", headers={"if-none-match": got.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    assert (await proxy.fetch("GET", "/ui/nothing.js")).status == 404
    assert (await proxy.fetch("GET", "/ui/../app.py")).status in (401, 404)
    assert (await proxy.fetch("POST", "/ui/")).status == 401
    for path in ("decisions", "beliefs", "calibration", "policies"):
        assert (await proxy.fetch("GET", f"/admin/{path}")).status == 401
        assert (await proxy.fetch("GET", f"/admin/{path}", headers={"x-api-key": SMALL})).status == 403


async def test_the_page_is_at_the_port_of_administration(yard: Yard) -> None:
    """Where there is one, callers find no page; without a slash at its end the address leads on."""
    proxy = await yard()
    got = await proxy.session.get(f"{proxy.url}/ui", allow_redirects=False)
    assert (got.status, got.headers["location"]) == (308, "/ui/")
    proxy = await yard(admin_port=1)
    assert (await proxy.fetch("GET", "/ui/")).status == 404
    assert (await proxy.fetch("GET", "/healthz")).status == 200


async def lively(yard: Yard) -> Proxy:
    """A server that has decided something, one of it under a name that would be markup if it were let."""
    proxy = await yard({"cheap": "good", "dear": "good"})
    for i in range(4):
        name = await asked(proxy, run_id=NASTY, **(CHEAP_THEN_DEAR if i % 2 else {}))
        await say(proxy, decision_id=name, success=i > 0)
    return proxy


async def opened(page: Page, proxy: Proxy) -> None:
    await page.open(f"{proxy.url}/ui/")
    await page.until("document.querySelectorAll('tr.pick').length === 4")


async def seen(page: Page, view: str, sign: str) -> str:
    await page.run(f"location.hash = '#{view}'")
    await page.until(f"document.querySelector({json.dumps(sign)}) !== null")
    text: str = await page.run("document.getElementById('main').innerText")
    return text


@needs_chromium
async def test_every_view_shows_what_the_server_knows(yard: Yard, tmp_path: Path) -> None:
    """Decisions as they happen, one of them opened, a step only thought of, beliefs, calibration, policies."""
    proxy = await lively(yard)
    async with browser(tmp_path) as page:
        await opened(page, proxy)
        await page.run("document.querySelector('tr.pick button').click()")
        await page.until("document.querySelector('svg circle.chosen') !== null")
        text = await page.run("document.getElementById('main').innerText")
        assert NASTY in text and "cheap/off › dear/off" in text.replace("\n", " ")
        await asked(proxy)
        await page.until("document.querySelectorAll('tr.pick').length === 5")
        assert "cheap/off" in await seen(page, "beliefs", "svg .range")
        assert "4" in await seen(page, "calibration", "svg circle")
        assert "default (default)" in await seen(page, "policies", "td code")
        await seen(page, "whatif", "form.ask")
        await page.run("document.querySelector('[name=accuracy]').value = '0.88'")
        await page.run("document.querySelector('[name=retries]').value = '1'")
        await page.run("document.querySelector('form.ask button').click()")
        await page.until("document.querySelector('svg circle.chosen') !== null")
        assert "0.88" in await page.run("document.getElementById('main').innerText")
        assert page.errors == []
        assert {url.split("/")[2] for url in page.requests} == {proxy.url.removeprefix("http://")}
        assert len(proxy.upstream.seen) == 5, "looking sends nothing to a model"


@needs_chromium
@pytest.mark.parametrize(("wide", "dark"), [(1280, False), (1280, True), (420, False), (420, True)])
async def test_it_fits_both_widths_in_light_and_dark(yard: Yard, tmp_path: Path, wide: int, dark: bool) -> None:
    """Nothing is wider than the window, what is written stands out from what is behind it, and a picture comes out."""
    proxy = await lively(yard)
    async with browser(tmp_path) as page:
        await opened(page, proxy)
        for view, sign in (("decisions", "tr.pick"), ("beliefs", "svg .range"), ("whatif", "form.ask")):
            await seen(page, view, sign)
            picture = await page.look(wide, dark=dark)
            assert picture.startswith(b"\x89PNG") and len(picture) > 5_000
            assert await page.run("document.documentElement.scrollWidth <= innerWidth")
            assert await page.run(CONTRAST) >= 4.5
        assert page.errors == []


CONTRAST = """(() => {
  const part = (v) => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(part);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
  const written = document.querySelectorAll('.card td, .card th, .card h1, .card p, .card label');
  const found = [...written].map((e) => light(getComputedStyle(e).color));
  return Math.min(...found.map((f) => (Math.max(f, behind) + 0.05) / (Math.min(f, behind) + 0.05)));
})()"""
"""Least contrast of a text against its card, by WCAG 2's formula."""


@needs_chromium
async def test_a_key_is_asked_for_and_kept_in_the_tab(yard: Yard, tmp_path: Path) -> None:
    """Without one the page shows nothing but why; one that may not is told so; with a right one it goes on."""
    key, entry = file.made("viewer", datetime.now(UTC), scopes=("admin",))
    file.change(tmp_path / "keys.json", lambda entries: (*entries, entry))
    proxy = await yard(api_keys=(SMALL,), keys_file=tmp_path / "keys.json")
    async with browser(tmp_path / "browser") as page:
        await page.open(f"{proxy.url}/ui/")
        for given, why in ((SMALL, "No API key"), (key, "lacks the scope 'admin'")):
            await page.until(f"document.getElementById('login').open && {TOLD}.includes({json.dumps(why)})")
            await page.run(f"document.getElementById('key').value = '{given}'")
            await page.run("document.querySelector('#login button').click()")
        await page.until("document.getElementById('state').textContent === 'live'")
        assert not await page.run("document.getElementById('login').open")
        assert await page.run("sessionStorage.getItem('turnout-key')") == key
        assert await page.run("localStorage.length + document.cookie.length") == 0


TOLD = "document.getElementById('login-why').textContent"
