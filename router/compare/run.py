"""Runs tasks on arms, several at a time, within a budget, each answer judged and noted as soon as it is there."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from router.catalog import Arm, Catalog, Deployment
from router.compare.judge import Judge
from router.compare.ledger import Entry, Ledger
from router.compare.sample import Task
from router.errors import CallerFault, ConfigError, TurnoutError, UpstreamFault
from router.upstream.base import Call, Upstream
from router.wire import answer as wire_answer
from router.wire import chat, fault
from router.wire.answer import Answer, Usage, estimate_tokens

TRIES = 4
"""Of one answer, where faults such as 429 or a broken connection come between."""
PAUSE_S = 0.5
"""Before the second try where the upstream does not say; doubled each time."""
LONGEST_PAUSE_S = 60.0
EXPECTED_OUTPUT = 4_096
"""Tokens that are set aside for an answer without `max_tokens`."""
BYTES_PER_TOKEN = 3.0
"""Cautiously few."""
MAX_ANSWER = 32_000_000
HOPELESS = frozenset({"auth", "redirect"})
"""Faults that no answer of that deployment will be spared."""


class Limits(msgspec.Struct, frozen=True):
    attempts: int = 1
    concurrency: int = 8
    max_cost: float | None = None
    """USD that this run may spend."""
    seconds: float = 600.0
    """For one answer."""


class Place(msgspec.Struct, frozen=True):
    """An arm and the deployment that stands for it."""

    arm: Arm
    deployment: Deployment


class Summary(msgspec.Struct):
    ran: int = 0
    refused: int = 0
    """Answers that a deployment would not give: it cannot take such a request."""
    spent: float = 0.0
    """USD."""
    out_of_money: bool = False
    failed: dict[str, tuple[int, str]] = {}
    """Arm → how many answers never came, and the last reason."""


def places(catalog: Catalog, names: Sequence[str]) -> list[Place]:
    """The arms by name or model name, all where none is named, each at its cheapest deployment.

    Raises ConfigError for a name that the catalog lacks, or that nothing serves.
    """
    if unknown := [n for n in names if n not in catalog.models and n not in catalog.arm]:
        there = ", ".join((*catalog.models, *catalog.arm))
        raise ConfigError("--arm", None, f"{unknown[0]!r} is no model or arm of the catalog; there are: {there}")
    wanted = [a for a in catalog.arms if not names or a.name in names or a.model.name in names]
    found = [Place(a, min(a.deployments, key=lambda d: (d.usd.output, d.usd.input))) for a in wanted if a.deployments]
    if not found:
        raise ConfigError("catalog", None, "serves none of these models: is a key missing? See `turnout models list`")
    return found


class Purse:
    """Money for answers: set aside before, settled after, so that what is under way cannot overspend."""

    def __init__(self, most: float | None) -> None:
        self._most, self._held, self.spent = most, 0.0, 0.0
        self._freed = asyncio.Condition()

    async def take(self, amount: float) -> bool:
        """Sets `amount` aside, once there is room; False where there will be none."""
        async with self._freed:
            while self._most is not None and self.spent + self._held + amount > self._most:
                if self._held <= 0.0:
                    return False
                await self._freed.wait()
            self._held += amount
            return True

    async def settle(self, amount: float, cost: float) -> None:
        async with self._freed:
            self._held = max(0.0, self._held - amount)
            self.spent += cost
            self._freed.notify_all()


class Runner:
    """One run. `moved` is told after each answer, had or not."""

    def __init__(
        self,
        upstream: Upstream,
        judge: Judge,
        ledger: Ledger,
        limits: Limits,
        *,
        moved: Callable[[], None] = lambda: None,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream, self._judge, self._ledger, self._limits = upstream, judge, ledger, limits
        self._moved, self._wait, self._clock = moved, wait, clock
        self._purse = Purse(limits.max_cost)
        self._hopeless: set[str] = set()
        self._dearest: dict[str, float] = {}
        self.summary = Summary(failed={})

    async def run(self, tasks: Sequence[Task], where: Sequence[Place]) -> Summary:
        """Everything that the ledger has not yet, task by task. Raises ConfigError where the judge cannot be run."""
        work = self._work(tasks, where)
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._limits.concurrency):
                    group.create_task(self._worker(work))
        except* ConfigError as wrong:
            failure = wrong.exceptions[0]
        if failure is not None:
            raise failure  # here, since what is raised in there may come out in a group again
        self.summary.spent = self._purse.spent
        return self.summary

    def _work(self, tasks: Sequence[Task], where: Sequence[Place]) -> Iterator[tuple[Task, Place, int]]:
        for task, place, attempt in itertools.product(tasks, where, range(self._limits.attempts)):
            if not self._ledger.has(task, place.arm.name, attempt):
                yield task, place, attempt

    async def _worker(self, work: Iterator[tuple[Task, Place, int]]) -> None:
        for task, place, attempt in work:
            if self.summary.out_of_money:
                return
            arm = place.arm.name
            if arm in self._hopeless:
                self._failed(arm, self.summary.failed[arm][1])
                continue
            most = max(_most(task, place.deployment), self._dearest.get(arm, 0.0))
            if not await self._purse.take(most):
                self.summary.out_of_money = True
                return
            cost = 0.0
            try:
                cost = await self._one(task, place, attempt)
                self._dearest[arm] = max(cost, self._dearest.get(arm, 0.0))
            finally:
                await self._purse.settle(most, cost)
                self.summary.spent = self._purse.spent
            self._moved()

    async def _one(self, task: Task, place: Place, attempt: int) -> float:
        """One answer, judged and noted; what it cost."""
        arm = place.arm.name
        if self._ledger.has(task, arm, attempt):
            return 0.0  # it was refused while this waited
        try:
            answer, seconds = await self._asked(task, place)
        except UpstreamFault as error:
            if error.kind == "unsupported":
                self._refused(task, arm, attempt, error)
            else:
                self._failed(arm, error.message)
                if error.kind in HOPELESS:
                    self._hopeless.add(arm)
            return 0.0
        except CallerFault as error:
            self._refused(task, arm, attempt, error)
            return 0.0
        usage = answer.usage or Usage(task.request.size // 4, 0, estimate_tokens(answer.size, stream=False), 0)
        cost = place.deployment.usd.cost(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
        self._ledger.add(
            Entry(
                id=task.id,
                digest=task.digest,
                arm=arm,
                attempt=attempt,
                success=await self._judge(task, answer),
                cost_usd=cost,
                input_tokens=usage.prompt_tokens,
                output_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                latency_s=seconds,
            )
        )
        self.summary.ran += 1
        return cost

    async def _asked(self, task: Task, place: Place) -> tuple[Answer, float]:
        """The answer and the seconds it took, faults between retried. Raises UpstreamFault or CallerFault."""
        for left in reversed(range(TRIES)):
            began = self._clock()
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await self._answer(task, place), self._clock() - began
            except TimeoutError:
                raise UpstreamFault("timeout", f"No answer in {self._limits.seconds:g} s.") from None
            except UpstreamFault as error:
                if not left or error.kind == "unsupported" or error.kind in HOPELESS:
                    raise
                pause = PAUSE_S * 2.0 ** (TRIES - 1 - left)
                await self._wait(min(LONGEST_PAUSE_S, pause if error.retry_after is None else error.retry_after))
        raise AssertionError("the last try returns or raises")

    async def _answer(self, task: Task, place: Place) -> Answer:
        deployment = place.deployment
        body = chat.render(task.request, deployment.model, deployment.thinking.get(place.arm.mode))
        reply = await self._upstream.send(Call(deployment, body, False, idle_s=self._limits.seconds))
        try:
            if reply.status != 200:
                raise fault.from_reply(reply.status, reply.headers, await reply.read(fault.MAX_BODY))
            return wire_answer.from_body(await reply.read(MAX_ANSWER))
        finally:
            await reply.close()

    def _refused(self, task: Task, arm: str, attempt: int, error: TurnoutError) -> None:
        self._ledger.add(Entry(task.id, task.digest, arm, attempt, refused=error.message))
        self.summary.refused += 1

    def _failed(self, arm: str, reason: str) -> None:
        count, _ = self.summary.failed.get(arm, (0, ""))
        self.summary.failed[arm] = (count + 1, reason)


def _most(task: Task, deployment: Deployment) -> float:
    """USD that an answer will hardly cost more than, before any is known."""
    output = (task.request.max_tokens or EXPECTED_OUTPUT) * task.request.n
    return deployment.usd.cost(task.request.size / BYTES_PER_TOKEN, output)
