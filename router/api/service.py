"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from router.config import Config


def health(ready: Callable[[], bool], config: Callable[[], Config], version: str) -> APIRouter:
    """Open to everyone: load balancers carry no keys, and nothing here tells a secret."""
    router = APIRouter(tags=["service"])

    @router.head("/", include_in_schema=False)
    def root() -> Response:
        """Some clients look whether anybody is there before they ask."""
        return Response()

    @router.get("/healthz", summary="Is the process alive?")
    def healthz() -> dict[str, Any]:
        return {"status": "ok", "version": version}

    @router.get("/readyz", summary="Will it take steps?")
    def readyz(response: Response) -> dict[str, Any]:
        """503 while starting, while shutting down, and where no deployment has its key."""
        usable = any(m.deployments for m in config().catalog.models.values())
        if not ready() or not usable:
            response.status_code = 503
            return {"status": "no usable deployment" if ready() else "not ready"}
        return {"status": "ready"}

    return router


def metrics(render: Callable[[str], Awaitable[tuple[bytes, str]]]) -> APIRouter:
    """`render` takes what the scraper accepts, and gives a text and its content type."""
    router = APIRouter(tags=["service"])

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def expose(
        accept: Annotated[str, Header(description="`application/openmetrics-text` for exemplars")] = "",
    ) -> Response:
        text, content_type = await render(accept)
        return Response(text, headers={"content-type": content_type, "vary": "accept"})

    return router
