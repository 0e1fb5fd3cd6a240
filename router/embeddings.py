"""One request for vectors, from its bytes to one recorded outcome. Nothing is decided here but where it is served."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from router.attempts import Tools
from router.attempts.embed import Embed
from router.config import Config
from router.embedder import Embedder
from router.errors import Infeasible, NotFound, TurnoutError
from router.feedback import Feedback
from router.hints import Hints
from router.keys import Grant
from router.record import Incoming, Record
from router.wire import embeddings

STEP_CLASS = "embeddings"


class Sink(Protocol):
    """Renders one answer or one error."""

    committed: bool

    async def answer(self, body: bytes, record: Record, embed: Embed) -> None: ...

    async def fail(self, error: TurnoutError) -> None: ...


class Embeddings:
    """Takes requests for vectors. Everything it uses is passed in."""

    def __init__(self, *, config: Callable[[], Config], tools: Tools, feedback: Feedback) -> None:
        self._config, self._tools, self._feedback = config, tools, feedback

    async def run(self, incoming: Incoming, sink: Sink) -> None:
        """Whatever happens, the caller gets one answer or one error, and one outcome is recorded."""
        record = self._tools.record(incoming)
        embed: Embed | None = None
        try:
            embed = self._embed(incoming, record)
            record.overhead_s = record.elapsed()
            body = await embed.run()
            record.returned()
            await sink.answer(body, record, embed)
        except TurnoutError as error:
            record.failed(error)
            await sink.fail(error)
        except asyncio.CancelledError:
            record.left()
            raise
        finally:
            outcome = record.build(embed.attempts if embed else (), sink.committed)
            await self._feedback.finished(msgspec.structs.replace(outcome, step_class=STEP_CLASS))

    def _embed(self, incoming: Incoming, record: Record) -> Embed:
        """What is to be done. Raises TurnoutError where the request, or its key, does not allow it."""
        config, grant = self._config(), incoming.grant
        request = embeddings.parse(incoming.body, incoming.headers)
        record.hints = request.hints
        embedder = _named(request.model, config)
        _allowed(embedder, grant, request.hints)
        hints = grant.narrowed(request.hints, incoming.left)
        deadline = min(hints.deadline or math.inf, config.policies[config.default].deadline)
        embed = Embed(self._tools, embedder, request, record.began, deadline, record.trace)
        cheapest = min((d.usd.cost(embed.counted, 0) for d in embedder.deployments), default=0.0)
        if hints.max_cost is not None and cheapest > hints.max_cost:
            raise Infeasible(
                f"The texts would cost about ${cheapest:.8f}; the cap is ${hints.max_cost:.8f}.", param="max_cost"
            )
        return embed


def _named(name: str, config: Config) -> Embedder:
    """`auto` is the first of the catalog. Raises NotFound with what there is."""
    embedders = config.catalog.embeddings
    if not embedders:
        raise NotFound("The catalog has no embedding models.", param="model", code="model_not_found")
    if name == "auto":
        return next(iter(embedders.values()))
    for embedder in embedders.values():
        if name == embedder.name or name in embedder.aliases:
            return embedder
    raise NotFound(
        f"The embedding model {name[:128]!r} does not exist. Embedding models are: {', '.join(embedders)}.",
        param="model",
        code="model_not_found",
    )


def _allowed(embedder: Embedder, grant: Grant, hints: Hints) -> None:
    """Raises Infeasible where the key or a hint does not allow the model."""
    names = {embedder.name, *embedder.aliases}
    if any(not allowed & names for allowed in (*hints.models, *_given(grant.models))):
        raise Infeasible(f"{embedder.name} is not among the models allowed.", param="model")
    for wanted in (*hints.license, *_given(grant.license)):
        lacks = embedder.license.lacks(wanted) if embedder.license else "its licence is not known"
        if lacks is not None:
            raise Infeasible(f"{embedder.name} may not be used: {lacks}.", param="model")


def _given(names: frozenset[str] | None) -> tuple[frozenset[str], ...]:
    return () if names is None else (names,)
