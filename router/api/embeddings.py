"""`POST /v1/embeddings`: vectors from a model that the catalog names for it."""

from __future__ import annotations

from fastapi import APIRouter

from router.api import contract
from router.api.asgi import JSON_TYPE, Headers, Receive, Send, send_error
from router.api.contract import OPEN
from router.api.dialect import OpenAI
from router.api.hinted import TURNOUT
from router.api.route import Route, until_left
from router.attempts.embed import Embed
from router.embeddings import Embeddings
from router.errors import TurnoutError
from router.limits import Guard
from router.record import Incoming, Record
from router.settings import Settings

EMBEDDINGS = "/v1/embeddings"
SENT = frozenset(
    ("x-request-id", *(f"x-turnout-{name}" for name in ("decision-id", "model", "attempts", "cost-usd", "overhead-ms")))
)
"""Headers of an answer."""


class EmbeddingsRoute(Route):
    """Asks for vectors until they are there or the caller leaves."""

    def __init__(self, embeddings: Embeddings, guard: Guard, settings: Settings) -> None:
        super().__init__(OpenAI(), guard, settings)
        self._embeddings = embeddings

    async def _answer(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        sink = _Sink(send, incoming.request_id)
        await until_left(receive, lambda: sink, self._embeddings.run(incoming, sink))


class _Sink:
    """Renders one answer onto one ASGI response."""

    def __init__(self, send: Send, request: str) -> None:
        self._send, self._request = send, request
        self.committed = self.ended = False

    async def answer(self, body: bytes, record: Record, embed: Embed) -> None:
        last = embed.attempts[-1]
        overhead = record.elapsed() - sum(a.seconds for a in embed.attempts)
        headers: Headers = [
            JSON_TYPE,
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self._request.encode()),
            (b"x-turnout-decision-id", record.decision_id.encode()),
            (b"x-turnout-model", last.model.encode()),
            (b"x-turnout-attempts", str(len(embed.attempts)).encode()),
            (b"x-turnout-cost-usd", b"%.8f" % embed.spent),
            (b"x-turnout-overhead-ms", b"%.3f" % (overhead * 1e3)),
        ]
        self.committed = self.ended = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: TurnoutError) -> None:
        if not self.ended:
            self.ended = True
            await send_error(self._send, error, self._request, OpenAI())


_TOKENS = {"type": "array", "minItems": 1, "items": {"type": "integer"}}
_REQUEST = {
    **OPEN,
    "description": "Fields that are not listed go upstream as they came.",
    "required": ["model", "input"],
    "properties": {
        "model": {"type": "string", "description": "`auto`, or an embedding model of the catalog."},
        "input": {
            "description": "A text, texts, or tokens.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
                _TOKENS,
                {"type": "array", "minItems": 1, "items": _TOKENS},
            ],
        },
        "encoding_format": {"enum": ["float", "base64"], "default": "float"},
        "dimensions": {"type": "integer", "minimum": 1},
        "turnout": TURNOUT,
    },
}
_VECTOR = {
    **OPEN,
    "required": ["embedding"],
    "properties": {
        "index": {"type": "integer"},
        "embedding": {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]},
    },
}
_ANSWER = {
    **OPEN,
    "required": ["data"],
    "properties": {"data": {"type": "array", "items": _VECTOR}, "usage": {"type": ["object", "null"]}},
}


def routes() -> APIRouter:
    return contract.step(
        EMBEDDINGS,
        "embeddings",
        "Texts as vectors",
        "Asks the cheapest healthy deployment of an embedding model.",
        _REQUEST,
        _ANSWER,
        streams=False,
        headers={name: text for name, text in contract.HEADERS.items() if name in SENT},
    )
