"""One step's journey, from the bytes of a request to one recorded outcome. Start reading here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from router import plan, relay, step
from router.attempts import Answered, Tools, Walk
from router.beliefs import text
from router.config import Config
from router.errors import TurnoutError
from router.feedback import Feedback
from router.lots import Lots
from router.plan import Decision, Lot, Situation
from router.record import Incoming, Record
from router.sink import Sink
from router.store.base import Store
from router.terms import Terms, resolve, target
from router.wire import ask, history


class Pipeline:
    """Takes steps. Everything it uses is passed in; it keeps no state of its own."""

    def __init__(
        self, *, config: Callable[[], Config], store: Store, tools: Tools, feedback: Feedback, lots: Lots
    ) -> None:
        self._config, self._store, self._tools, self._feedback, self._lots = config, store, tools, feedback, lots
        self.clock = tools.clock

    async def decide(self, incoming: Incoming, record: Record) -> tuple[step.StepRequest, Terms, Decision]:
        """Parse, recall, read the facts, resolve the terms, plan. Sends nothing. Raises TurnoutError."""
        config = self._config()
        request = incoming.step()
        name, hints = ask.read(request, incoming.headers)
        record.identify(request, hints)
        wanted = target(name, *incoming.grant.allowed(config.policies, config.default), config.catalog)
        recall = await self._store.recall(incoming.key_id, hints.step_id, hints.run_id)
        refused, forgotten = ask.refused(hints, recall, incoming.headers)
        facts, thread = step.facts(request), recall.threads.get(record.thread)
        terms = resolve(
            wanted, facts, incoming.grant.narrowed(hints, incoming.left), streamed=request.stream,
            failed=len(refused) + forgotten, run_retries=recall.run_retries, run_cost=recall.run_cost,
        )  # fmt: skip
        facts = text.read(facts, request) if terms.words else facts
        record.asked(terms, facts, refused, config.versions.get(terms.policy, ""))
        shut = self._tools.health.closed()
        lot = Lot(*self._lots.of(incoming.key_id, hints.run_id or record.decision_id)) if terms.exploration else None
        situation = Situation(
            shut.keys, self._tools.admission.inflight, recall.warm, refused, forgotten, shut.wait, shut.slow,
            shut.limited, hints.step, recall.past, lot, thread.model if thread and facts.tool_results else None,
            recall.size,
        )  # fmt: skip
        decision = plan.decide(facts, terms, config.beliefs, config.catalog, situation)
        return history.attributed(request, thread, wanted.pin), terms, decision

    async def run(self, incoming: Incoming, sink: Sink) -> None:
        """The whole journey. Whatever happens, the caller gets one answer or one error, and one outcome is recorded."""
        record = self._tools.record(incoming)
        walk: Walk | None = None
        try:
            request, terms, decision = await self.decide(incoming, record)
            record.decided(decision)
            walk = Walk(self._tools, request, terms, decision, record.began, incoming.headers, record.trace, record.ids)
            sink.about(record, walk)
            got = await relay.meanwhile(walk.run(), sink.wait, sink.keepalive) if decision.hold else await walk.run()
            if isinstance(got, Answered):
                record.answered(got.rejected)
                await sink.answer(got)
            else:
                await self._stream(got, walk, record, sink)
        except TurnoutError as error:
            record.failed(error)
            await sink.fail(error)
        except asyncio.CancelledError:
            record.left()
            raise
        finally:
            await self._feedback.finished(record.build(walk.attempts if walk else (), sink.committed))
            if walk:
                await walk.close()  # last, since it may wait a moment for the upstream's end

    async def _stream(self, live: relay.Live, walk: Walk, record: Record, sink: Sink) -> None:
        """Past the commit point: bytes go on as they come; a failure from here on is told, never mended."""
        try:
            async with asyncio.timeout(walk.left()):
                await sink.open(live.head)
                async for block in live.rest():
                    await sink.write(block)
                await sink.close()
            record.returned()
        except TimeoutError as error:
            walk.finish(error)
            raise walk.late() from None
        except BaseException as error:
            walk.finish(error)
            raise
        walk.finish(None)
