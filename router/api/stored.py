"""`/v1/responses/{id}`: what is kept of a response, for the key that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from router.api import contract, tally
from router.api.asgi import header_map, read_body
from router.api.kept import Shelf
from router.api.responses import RESPONSES, Responses
from router.api.responses_contract import ANSWER, REQUEST
from router.config import Config
from router.errors import BadRequest
from router.keys import Grant
from router.limits import Admission
from router.settings import Settings
from router.wire.responses import listing


class Deleted(BaseModel):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class Page(BaseModel):
    """Items, each as OpenAI's Responses API has them."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Counted(BaseModel):
    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


_ONE = f"{RESPONSES}/{{response_id}}"


_REFUSALS = contract.refusals(contract.ERROR, (400, 401, 403, 404))


def routes(shelf: Shelf, authorised: Callable[..., Grant]) -> APIRouter:
    """What is done with a response that is kept."""
    router = APIRouter(tags=["responses"], responses=_REFUSALS)
    described = {"description": "The response", "content": {"application/json": {"schema": ANSWER}}}

    @router.get(_ONE, summary="A response that is kept", response_class=Response, responses={200: described})
    async def one(response_id: str, stream: bool = False, grant: Grant = Depends(authorised)) -> Response:
        """The response as it was answered."""
        if stream:
            raise BadRequest("stream: a response that is kept is not streamed again.", param="stream")
        whole = await shelf.get(grant.key_id, response_id)
        return Response(bytes(whole.kept.response), media_type="application/json")

    @router.delete(_ONE, summary="Forget a response")
    async def forget(response_id: str, grant: Grant = Depends(authorised)) -> Deleted:
        """Responses that follow it can no longer be followed either."""
        await shelf.drop(grant.key_id, response_id)
        return Deleted(id=response_id)

    @router.get(f"{_ONE}/input_items", summary="What a response was made from")
    async def input_items(
        response_id: str,
        order: str = "desc",
        after: str | None = None,
        limit: Annotated[int, Query(description=f"1 to {listing.MOST}")] = listing.PAGE,
        grant: Grant = Depends(authorised),
    ) -> Page:
        """The items of its input and of all that it follows, the newest first."""
        whole = await shelf.get(grant.key_id, response_id)
        earlier = await shelf.earlier(grant.key_id, whole.kept)
        return Page(**listing.page((*earlier, *whole.input), order, after, limit))

    @router.post(f"{_ONE}/cancel", summary="Cancel a response", status_code=400)
    async def cancel(response_id: str, grant: Grant = Depends(authorised)) -> None:
        """Always refused: a response that runs is cancelled by closing its connection."""
        await shelf.get(grant.key_id, response_id)
        raise BadRequest("Only a background response can be cancelled, and there are none here.", param="response_id")

    return router


def counting(
    dialect: Responses,
    config: Callable[[], Config],
    admission: Admission,
    settings: Settings,
    authorised: Callable[..., Grant],
) -> APIRouter:
    """What a request would come to."""
    router = APIRouter(tags=["responses"], responses=_REFUSALS)

    @router.post(
        f"{RESPONSES}/input_tokens",
        summary="Count a response's input tokens",
        openapi_extra=contract.taking(REQUEST),
        responses=contract.refusals(contract.ERROR, (408, 413, 429)),
    )
    async def counted(request: Request, grant: Grant = Depends(authorised)) -> Counted:
        """Takes the body of a request for a response; says how many tokens it and all that it follows have, by an
        estimate. Sends nothing upstream."""
        admission.asked(grant)
        body = await read_body(request.receive, header_map(request.scope), settings.max_body_bytes)
        read = await dialect.read(grant.key_id, body)
        return Counted(input_tokens=tally.tokens(read.chat, config()))

    return router
