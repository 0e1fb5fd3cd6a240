"""The journal of a running proxy: what a request leaves in it, and what it never leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from router.journal import OutcomeRecord, read
from tests.proxy.yard import CHEAP_THEN_DEAR, Proxy, Yard

SECRET = "zwölf grüne Flaschen"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def yard(tmp_path: Path, stack: AsyncExitStack) -> Yard:
    return Yard(tmp_path / "policies", stack)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    return tmp_path / "state"


async def written(state: Path, count: int) -> list[OutcomeRecord]:
    """The outcomes in the journal, once there are so many."""
    async with asyncio.timeout(5):
        while True:
            found = [r for r in read(state / "journal") if isinstance(r, OutcomeRecord)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def scraped(proxy: Proxy, *lines: bytes) -> bool:
    """Whether the metrics have these lines, looked at in a moment."""
    await asyncio.sleep(0.02)
    return set(lines) <= set((await proxy.fetch("GET", "/metrics")).body.splitlines())


def names(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir()]


def whole(state: Path) -> bytes:
    return b"".join(p.read_bytes() for p in (state / "journal").iterdir())


async def test_a_request_leaves_its_outcome(yard: Yard, state: Path, tmp_path: Path) -> None:
    """While the proxy runs: what the headers said of it, the facts and hints it was decided by, and what was tried."""
    proxy: Proxy = await yard({"cheap": "good", "dear": "good"}, state_dir=state)
    got = await proxy.chat({"x-turnout-run-id": "run-1"}, turnout=CHEAP_THEN_DEAR, max_tokens=77)
    (record,) = await written(state, 1)
    assert record.decision_id == got.headers["x-turnout-decision-id"]
    assert record.chosen is not None and record.chosen.arms == (await proxy.settled()).decision.chosen.arms
    assert (record.status, record.run_id, record.policy, record.step_class) == (200, "run-1", "default", "chat")
    assert record.policy_version == sha256((tmp_path / "policies" / "default.yaml").read_bytes()).hexdigest()[:12]
    assert record.facts is not None and record.facts.max_tokens == 77
    assert record.hints == {"accuracy": 0.88, "retries": 1}
    assert [a.arm for a in record.attempts] and record.attempts == (await proxy.settled()).attempts
    assert {o.arm.split("/")[0] for o in record.offers} == {"cheap", "dear"} and record.plans


async def test_a_refused_request_is_logged_too(yard: Yard, state: Path) -> None:
    """With the error's code, and nothing of its body."""
    proxy = await yard({"cheap": "good"}, state_dir=state)
    await proxy.chat(turnout={"accuracy": 7}, user=SECRET)
    (record,) = await written(state, 1)
    assert (record.status, record.result, record.error, record.chosen) == (400, "error", "invalid_hint", None)


async def test_no_text_and_no_key_is_logged(yard: Yard, state: Path) -> None:
    """Neither what was asked nor what was answered, nor the caller's key, nor any header."""
    proxy = await yard({"cheap": "good"}, state_dir=state, api_keys=("sk-very-secret",))
    await proxy.chat(
        {"authorization": "Bearer sk-very-secret", "x-other": "header-text"},
        messages=[{"role": "user", "content": SECRET}],
        user=SECRET,
    )
    (record,) = await written(state, 1)
    assert record.text is None and record.key_id
    for secret in (SECRET.encode(), b"zw\\u00f6lf", b"sk-very-secret", b"header-text"):
        assert secret not in whole(state)


async def test_text_is_logged_where_the_settings_ask_for_it(yard: Yard, state: Path) -> None:
    """Only of the last user message, and only so many bytes: its beginning and its end."""
    proxy = await yard({"cheap": "good"}, state_dir=state, journal_text=64)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "begin " + "x" * 5_000 + " end"},
        {"role": "assistant", "content": "Yes?"},
    ]
    await proxy.chat(messages=messages)
    (record,) = await written(state, 1)
    assert record.text is not None and record.text.startswith("begin xx") and record.text.endswith("xx end")
    assert len(record.text) <= 65 and b"Be brief" not in whole(state)


async def test_shutdown_writes_what_is_left(yard: Yard, state: Path, stack: AsyncExitStack) -> None:
    """Every outcome of a proxy that has ended is in its journal, and its segment is closed."""
    proxy = await yard({"cheap": "good"}, state_dir=state)
    await asyncio.gather(*(proxy.chat() for _ in range(40)))
    await proxy.settled()
    await stack.aclose()
    assert len([*read(state / "journal")]) == 40
    assert whole(state).endswith(b"\n")


async def test_a_journal_that_cannot_be_written_stops_no_step(yard: Yard, state: Path) -> None:
    """Its folder vanishes behind the proxy's back, a file in its place: the metric says so, answers go out."""
    proxy = await yard({"cheap": "good"}, state_dir=state)
    (state / "journal").rmdir()
    (state / "journal").write_text("in the way")
    assert (await proxy.chat()).status == 200
    async with asyncio.timeout(5):
        while not await scraped(proxy, b"turnout_journal_degraded 1.0"):
            pass
    (state / "journal").unlink()
    assert (await proxy.chat()).status == 200
    assert len(await written(state, 2)) == 2
    assert await scraped(proxy, b"turnout_journal_degraded 0.0", b"turnout_journal_records_total 2.0")


async def test_without_a_state_folder_nothing_is_written(yard: Yard, state: Path, tmp_path: Path) -> None:
    """A proxy made in code, as in tests and the demo, leaves no trace."""
    proxy = await yard({"cheap": "good"})
    assert (await proxy.chat()).status == 200
    assert names(tmp_path) == ["policies"]
