"""The chaos tests use the proxy's fixtures: a proxy as it is served, on the loop that the command uses."""

from __future__ import annotations

from tests.proxy.conftest import answer, pytest_asyncio_loop_factories, yard

__all__ = ["answer", "pytest_asyncio_loop_factories", "yard"]
