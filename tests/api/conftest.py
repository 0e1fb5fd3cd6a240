"""The proxy's own fixtures: what a caller says later is about what the proxy did before."""

from tests.proxy.conftest import answer, pytest_asyncio_loop_factories, yard

__all__ = ["answer", "pytest_asyncio_loop_factories", "yard"]
