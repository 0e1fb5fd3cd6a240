"""The shipped catalog, and simulated servers of it inside the test's own event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from router import catalog as catalogs
from router.catalog import Catalog
from router.simulate.server import Options, running

NEMOTRON, QWEN = "nemotron-3-super", "qwen3.5-122b"
CATALOG = Path(__file__).parents[2] / "policies" / "models.yaml"
Models = Callable[..., AbstractAsyncContextManager[dict[str, AsyncOpenAI]]]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return catalogs.load(CATALOG)


@pytest.fixture
def models(catalog: Catalog) -> Models:
    """`async with models(faults=...) as clients`: an OpenAI client for each simulated model."""

    @contextlib.asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[dict[str, AsyncOpenAI]]:
        async with running(catalog, Options(**{"speed": 5_000.0, **options})) as urls:
            async with DefaultAsyncHttpxClient(verify=False) as http:
                common: dict[str, Any] = {"api_key": "none", "max_retries": 0, "timeout": 5, "http_client": http}
                yield {name: AsyncOpenAI(base_url=url, **common) for name, url in urls.items()}

    return opened
