"""The proxy's own fixtures."""

from tests.proxy.conftest import answer, pytest_asyncio_loop_factories, yard

__all__ = ["answer", "pytest_asyncio_loop_factories", "yard"]
