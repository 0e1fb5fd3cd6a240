"""What FastAPI's side answers where something goes wrong: the caller's own error shape for everything."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from router.api.asgi import UNFORESEEN, Gone, error_headers, method_not_allowed, request_id
from router.api.messages import spoken_at
from router.api.paths import nowhere
from router.errors import BadRequest, TurnoutError

LOG = logging.getLogger("turnout")


def answer_in_shape(app: FastAPI) -> None:
    """Has `app` answer whatever goes wrong outside the hot routes in the caller's shape."""

    def shaped(request: Request, error: TurnoutError, more: Mapping[str, str] | None = None) -> Response:
        name = request_id(request.headers)
        dialect = spoken_at(request.url.path, request.headers)
        failure = dialect.failure(error, name)
        headers = error_headers(error, name) | dict(more or {})
        headers |= {key.decode(): value.decode() for key, value in dialect.headers(name)}
        return Response(msgspec.json.encode(failure.body), failure.status, headers)

    @app.exception_handler(TurnoutError)
    def told(request: Request, error: TurnoutError) -> Response:
        return shaped(request, error)

    @app.exception_handler(Gone)
    def gone(request: Request, error: Gone) -> Response:
        return Response(status_code=499)  # nobody reads it

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return shaped(request, BadRequest(f"{where}: {first['msg']}", param=where))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405 and path != "/":  # where only HEAD is answered, which says nothing of an API
            methods = allowed(app, path)
            more = {"allow": ", ".join(methods)} if methods else error.headers
            return shaped(request, method_not_allowed(path, request.method), more)
        return shaped(request, nowhere(path, 404 if path == "/" else error.status_code))

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        LOG.error("unforeseen failure", exc_info=error)
        return shaped(request, TurnoutError(UNFORESEEN))


def allowed(app: FastAPI, path: str) -> list[str]:
    """The methods that a path takes, of all its routes together, where the framework tells those of one.

    As the description has it: a path that is described itself is none of those that a pattern describes.
    """
    described = app.openapi()["paths"]
    found = [methods for template, methods in described.items() if _pattern(template).fullmatch(path)]
    found = [described[path]] if path in described else found
    return sorted({method.upper() for methods in found for method in methods})


@lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    """`/v1/responses/{response_id}` as a pattern of paths."""
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))
