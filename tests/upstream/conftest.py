"""A faulty upstream, and each byte pass-through to call it with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from router.upstream import NativeUpstream
from router.upstream.openai import OpenAIUpstream
from tests.faulty import Faulty


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[Faulty]:
    async with Faulty() as upstream:
        yield upstream


@pytest.fixture(params=[OpenAIUpstream, NativeUpstream], ids=["aiohttp", "native"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[OpenAIUpstream | NativeUpstream]:
    upstream = request.param({"KEY": "sk-secret"})
    yield upstream
    await upstream.close()


@pytest.fixture
async def lister() -> AsyncIterator[OpenAIUpstream]:
    """The client that can also list what an endpoint serves."""
    upstream = OpenAIUpstream({"KEY": "sk-secret"})
    yield upstream
    await upstream.close()
