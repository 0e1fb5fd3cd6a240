"""No prompt, answer or key is in what the server writes: logs, metrics, journal, snapshots; also where things fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router.outcome import Outcome, Recall
from router.store.memory import MemoryStore
from tests.answers import completion, event, http
from tests.proxy.yard import CHAT, Proxy, Yard

PROMPT, ANSWER, FAULT = "MARKprompt7", "MARKanswer7", "MARKfault7"
CALLER, UPSTREAM = "sk-MARKcaller7", "sk-MARKupstream7"
MARKS = (PROMPT, ANSWER, CALLER, CALLER[3:], UPSTREAM, UPSTREAM[3:], FAULT)
ASK: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": f"{PROMPT} system"},
        {"role": "user", "content": [{"type": "text", "text": f"{PROMPT} part"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "look", "arguments": json.dumps({"at": PROMPT})}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": f"Error: {PROMPT}"},
        {"role": "user", "content": f"{PROMPT} last"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": PROMPT, "parameters": {
        "type": "object", "properties": {PROMPT: {"type": "string"}}}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": PROMPT, "schema": {"const": PROMPT}}},
    "user": PROMPT,
    "metadata": {"note": PROMPT},
    "stop": [PROMPT],
    "prediction": {"type": "content", "content": PROMPT},
}  # fmt: skip
CALLED = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": "' + ANSWER},
}]}  # fmt: skip
UNSAID = json.dumps({"error": dict.fromkeys(("message", "type", "param", "code"), FAULT)}).encode()
ANSWERS: dict[str, tuple[bytes, ...]] = {
    "answered": (http(completion(ANSWER)),),
    "cut": (http(completion(ANSWER, finish_reason="length")),),
    "garbled call": (http(completion("", choices=[{"index": 0, "message": CALLED, "finish_reason": "tool_calls"}])),),
    "no json": (http(f"<html>{ANSWER}".encode()),),
    "html error": (http(f"<html>{FAULT}".encode(), "502 Bad Gateway", "text/html"),),
    "error object": (http(json.dumps({"error": {"message": FAULT}}).encode()),),
    "refused key": (http(json.dumps({"error": {"message": f"{FAULT} {UPSTREAM}"}}).encode(), "401 No"),),
    "server error": (http(UNSAID, "500 No"),),
    "caller error": (http(json.dumps({"error": {"message": FAULT, "code": FAULT}}).encode(), "400 Bad"),),
    "odd headers": (http(completion(ANSWER), "200 OK", "application/json", f"x-odd: {FAULT}"),),
    "odd status": (f"HTTP/1.1 {FAULT}\r\n\r\n".encode(),),
    "torn": (http(completion(ANSWER))[:-20],),
    "torn stream": (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + event({"content": ANSWER}) + b"data: {" ,
    ),
}  # fmt: skip
"""What an upstream says, by name."""


def unmarked(places: dict[str, str]) -> None:
    found = [(mark, place) for place, text in places.items() for mark in MARKS if mark in text]
    assert not found, found


BEARER = {"authorization": f"Bearer {CALLER}"}


class Scene:
    """A proxy with all that it can write turned on, but for text, and what it has written."""

    def __init__(
        self, yard: Yard, state: Path, log: pytest.LogCaptureFixture, output: pytest.CaptureFixture[str]
    ) -> None:
        self._yard, self._state, self._log, self._output = yard, state, log, output

    async def proxy(self, model: str, **more: Any) -> Proxy:
        """Before an upstream whose key is UPSTREAM."""
        settings = {"journal": "on", "state_dir": self._state, "learn": "on", "api_keys": (CALLER,)}
        deployment = {"model": model, "api_key_env": "KEY"}
        return await self._yard({"cheap": [deployment]}, environment={"KEY": UPSTREAM}, **settings, **more)

    async def written(self) -> dict[str, str]:
        """Ends the proxy. All that it has written anywhere, by where."""
        await self._yard.stop()
        files = {str(path): path.read_bytes().decode("latin-1") for path in self._state.rglob("*") if path.is_file()}
        out, err = self._output.readouterr()
        said = "\n".join(f"{r.getMessage()} {r.exc_text or ''} {r.__dict__}" for r in self._log.records)
        return {**files, "log": self._log.text + said, "out": out, "err": err}


@pytest.fixture
def scene(yard: Yard, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Scene:
    caplog.set_level(logging.DEBUG)
    return Scene(yard, tmp_path / "state", caplog, capfd)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ANSWERS)
async def test_nothing_is_written_down(scene: Scene, answer: Callable[..., str], name: str, stream: bool) -> None:
    """Whatever an upstream answers; the caller itself gets what is its own."""
    proxy = await scene.proxy(answer(*ANSWERS[name]), policy={"deadline": 3})
    got = await proxy.chat(BEARER, **ASK, stream=stream)
    assert UPSTREAM not in got.body.decode() and CALLER not in got.body.decode() + str(got.headers)
    if name != "caller error":  # of which the upstream's own words go back
        assert FAULT not in got.body.decode() + str(got.headers)
    await proxy.all_settled()
    told = [
        (await proxy.fetch("GET", "/metrics", None, BEARER)).body,
        (await proxy.fetch("POST", "/v1/route", json.dumps({"model": "auto", **ASK}).encode(), BEARER)).body,
        (await proxy.fetch("GET", "/v1/models", None, BEARER)).body,
    ]
    unmarked({"told": b"".join(told).decode()})
    places = await scene.written()
    assert any("journal" in place for place in places)
    unmarked(places)


BODIES = {
    "torn": json.dumps({"model": "auto", **ASK}).encode()[:-9],
    "twice": f'{{"model": "auto", "{PROMPT}": 1, "{PROMPT}": 2, "messages": []}}'.encode(),
    "no utf-8": PROMPT.encode() + b"\xff",
    "wrong type": json.dumps({"model": "auto", "messages": [{"role": "user", "content": {"text": PROMPT}}]}).encode(),
    "model": json.dumps({"model": PROMPT, "messages": [{"role": "user", "content": PROMPT}]}).encode(),
    "hint": json.dumps({"model": "auto", **ASK, "turnout": {PROMPT: PROMPT}}).encode(),
    "large": json.dumps({"model": "auto", **ASK, "pad": PROMPT * 20_000}).encode(),
}


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_refused_is_not_written_down(scene: Scene, answer: Callable[..., str], name: str) -> None:
    """Neither a bad body nor a wrong key, wherever it stands."""
    proxy = await scene.proxy(answer(*ANSWERS["answered"]), max_body_bytes=100_000)
    assert (await proxy.post(BODIES[name], BEARER)).status >= 400
    for path in (CHAT, "/v1/route", "/v1/outcomes", f"/{CALLER}"):
        assert (await proxy.fetch("POST", path, BODIES[name], {"x-api-key": f"{CALLER}x"})).status == 401
        if path != CHAT:
            assert (await proxy.fetch("POST", path, BODIES[name], BEARER)).status >= 400
    await proxy.all_settled()
    unmarked({"metrics": (await proxy.fetch("GET", "/metrics", None, BEARER)).body.decode()})
    unmarked(await scene.written())


class Broken(MemoryStore):
    """A store with a mistake in it."""

    async def recall(self, key_id: str, *more: Any) -> Recall:
        raise RuntimeError("a mistake")


async def test_a_traceback_tells_no_secret(
    scene: Scene, answer: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of our own is logged with its traceback, and without what was being worked on."""

    def fails(outcome: Outcome) -> None:
        raise RuntimeError("another")

    observers = {"broken": fails}
    proxy = await scene.proxy(answer(*ANSWERS["answered"]), store=Broken(), observers=observers)
    got = await proxy.chat(BEARER, **ASK)
    assert got.status == 500 and "mistake" not in got.body.decode()
    places = await scene.written()
    assert "Traceback" in caplog.text and "a mistake" in caplog.text and "another" in caplog.text
    unmarked(places)
