"""Fixtures of the proxy's tests, which run on the loop that the command uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

from tests import answers
from tests.proxy.yard import Yard


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the command."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        yield Yard(tmp_path, stack)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Adds an answer to those that upstreams know: `answer(*packets)` returns the behaviour's name."""
    made = 0

    def add(*packets: bytes) -> str:
        nonlocal made
        made += 1
        monkeypatch.setitem(answers.ANSWERS, f"own-{made}", list(packets))
        return f"own-{made}"

    return add
