"""A faulty upstream, and the byte pass-through to call it with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.upstream import OpenAIUpstream
from tests.faulty import Faulty


@pytest.fixture
async def server() -> AsyncIterator[Faulty]:
    async with Faulty() as upstream:
        yield upstream


@pytest.fixture
async def client() -> AsyncIterator[OpenAIUpstream]:
    upstream = OpenAIUpstream({"KEY": "sk-secret"})
    yield upstream
    await upstream.close()
