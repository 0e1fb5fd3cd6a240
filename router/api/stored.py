"""`/v1/responses/{id}`: what is kept of a response, for the key that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from router.api.kept import Shelf
from router.api.responses import RESPONSES
from router.errors import BadRequest
from router.keys import Grant
from router.wire.responses import listing

_ONE = f"{RESPONSES}/{{response_id}}"


def routes(shelf: Shelf, authorised: Callable[..., Grant]) -> APIRouter:
    router = APIRouter(
        tags=["responses"], responses={404: {"description": "Never stored, forgotten, or another key's"}}
    )

    @router.get(_ONE, summary="A response that is kept", response_class=Response)
    async def one(response_id: str, stream: bool = False, grant: Grant = Depends(authorised)) -> Response:
        """The response as it was answered."""
        if stream:
            raise BadRequest("stream: a response that is kept is not streamed again.", param="stream")
        kept = await shelf.get(grant.key_id, response_id)
        return Response(bytes(kept.response), media_type="application/json")

    @router.delete(_ONE, summary="Forget a response")
    async def forget(response_id: str, grant: Grant = Depends(authorised)) -> dict[str, Any]:
        """Responses that follow it can no longer be followed either."""
        await shelf.drop(grant.key_id, response_id)
        return {"id": response_id, "object": "response", "deleted": True}

    @router.get(f"{_ONE}/input_items", summary="What a response was made from")
    async def input_items(
        response_id: str,
        order: str = "desc",
        after: str | None = None,
        limit: Annotated[int, Query(description=f"1 to {listing.MOST}")] = listing.PAGE,
        grant: Grant = Depends(authorised),
    ) -> dict[str, Any]:
        """The items of its input and of all that it follows, the newest first."""
        kept = await shelf.get(grant.key_id, response_id)
        earlier = await shelf.earlier(grant.key_id, kept)
        return listing.page((*earlier, *kept.input), order, after, limit)

    @router.post(f"{_ONE}/cancel", summary="Cancel a response")
    async def cancel(response_id: str, grant: Grant = Depends(authorised)) -> None:
        """Always refused: a response that runs is cancelled by closing its connection."""
        await shelf.get(grant.key_id, response_id)
        raise BadRequest("Only a background response can be cancelled, and there are none here.", param="response_id")

    return router
