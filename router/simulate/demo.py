"""`turnout demo`: agent traffic through fixed models, a static cascade and Turnout, side by side in one table."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import uvloop
from openai import APIConnectionError, APIError, AsyncOpenAI, DefaultAsyncHttpxClient

from router import policy
from router.catalog import Catalog
from router.errors import ConfigError
from router.simulate import children, report
from router.simulate.children import Child
from router.simulate.lanes import TURNOUT, Agent, Lane, cascade, fixed, hints
from router.simulate.report import Row
from router.simulate.second import HEAD, Act
from router.simulate.server import Options, listen
from router.simulate.workload import Job, jobs

SPEED = 200.0
"""Simulated seconds in one real second."""
RUNS_AT_ONCE = 48
READY_S = 30.0
PLANS_SHOWN = 7
OUTCOMES = 2_000
"""Requests that are learned from before the second act."""
LONGER = 5
"""Times as many steps in the second act as in a lane: what is learned in 2,000 outcomes is less than chance in 360."""
FAILURES = (
    "USD per step with failures adds what a wrong result costs by the default policy: Turnout minimises this sum."
)

NO_SOCKETS = (
    "Both lanes are Turnout: auto, without sockets. What it learned from is other tasks of the same kind, asked by the "
    "same agent, which tells nothing but to ask again where its own test fails."
)
WHY = (
    "P and USD of the plan before, as the benchmarks had it and as believed now, and of the plan that is chosen now: "
    "the least expected cost, time and loss among those that meet the P asked for."
)


class Screen(Protocol):
    """What the demo needs of a terminal."""

    def say(self, text: str, *, quietly: bool = False) -> None:
        """One line, as it is."""
        ...

    def progress(self, titles: Sequence[str], total: int) -> AbstractContextManager[Callable[[str], None]]:
        """A bar of `total` parts for each title, for as long as the block lasts; each call moves one on."""
        ...

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The first column is text, the others are numbers."""
        ...

    def decision(self, title: str, decision: Mapping[str, Any]) -> None:
        """A decision as `/v1/route` answers it."""
        ...


def lanes() -> tuple[Lane, ...]:
    return (
        fixed("nemotron-3-super", "always Nemotron 3 Super"),
        fixed("qwen3.5-122b", "always Qwen3.5-122B"),
        fixed("qwen3.5-397b", "always Qwen3.5-397B"),
        cascade("nemotron-3-super", "qwen3.5-397b", "static cascade, Nemotron then 397B"),
        TURNOUT,
    )


def run(
    *,
    catalog: Path,
    policies: Path,
    screen: Screen,
    environment: Mapping[str, str],
    exit: bool = False,
    seed: int = 7,
    steps: int = 360,
    port: int = 8080,
    speed: float = SPEED,
    outcomes: int = OUTCOMES,
) -> None:
    """Runs the whole demo and prints its table; then keeps serving until SIGINT or SIGTERM, unless `exit`.

    `catalog` is the models file, `policies` the folder of policies, `environment` that of the processes it starts.
    Raises ConfigError where the port is taken or a server does not come up, KeyboardInterrupt where it is ended
    before the last decision is shown. All of them have ended when it returns.
    """
    listen("127.0.0.1", port).close()  # a taken port is one sentence, before anything is started
    screen.say("Starting the simulated models and Turnout.", quietly=True)
    options = Options(seed=seed, speed=speed)
    with contextlib.ExitStack() as stack:
        models, addresses = stack.enter_context(children.models(catalog, options, environment))
        scene = children.scene(catalog, addresses)
        turnout = stack.enter_context(children.router(scene, policies, port, environment))
        later = stack.enter_context(children.second(scene, policies, seed, outcomes, LONGER * steps, environment))
        demo = _Demo(scene, policies, addresses, f"http://127.0.0.1:{port}/v1", (models, turnout), screen, speed, later)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(_interruptible(demo.play(jobs(steps, seed), seed, stay=not exit)))
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None


async def _interruptible(work: Any) -> None:
    """Awaits `work`; SIGTERM cancels it as an interrupt from the keyboard does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


class _Demo:
    def __init__(
        self,
        catalog: Catalog,
        policies: Path,
        addresses: Mapping[str, str],
        address: str,
        servers: Sequence[Child],
        screen: Screen,
        speed: float,
        second: tuple[Child, Path],
    ) -> None:
        self._second, self._result = second
        self._catalog, self._address, self._servers, self._screen = catalog, address, servers, screen
        self._policies, self._speed = policies, speed
        urls = {**addresses, "auto": address}
        self._http = DefaultAsyncHttpxClient(trust_env=False)  # a proxy of the shell's is not for loopback
        common: dict[str, Any] = {"api_key": "none", "max_retries": 0, "timeout": 300, "http_client": self._http}
        self._clients = {name: AsyncOpenAI(base_url=url, **common) for name, url in urls.items()}

    async def play(self, work: Sequence[Job], seed: int, *, stay: bool) -> None:
        try:
            await self._ready()
            rows = await self._compare(work, seed)
            self._check()
            title = f"{len(work)} agent steps in each lane, seed {seed}, 95% intervals"
            self._screen.table(title, report.HEAD, [report.cells(row) for row in rows])
            clock = f"Seconds are simulated, {self._speed:g} in a real one."
            note = f"{clock} Cost and time are those of all attempts; refused requests cost nothing."
            self._screen.say(note, quietly=True)
            self._screen.say(FAILURES, quietly=True)
            for other in rows[:-1]:
                self._screen.say(report.compared(rows[-1], other))
            await self._explain(work)
            await self._learned(seed)
            if stay:
                with contextlib.suppress(asyncio.CancelledError):  # how it is meant to end
                    await self._stay()
        except APIError as error:
            self._check()  # says more than a broken connection does
            raise ConfigError("turnout demo", None, f"a server answered wrongly: {error}") from None
        finally:
            await self._http.aclose()

    async def _ready(self) -> None:
        """Returns once every server answers. Raises ConfigError with the reason where one ended or is too slow."""
        limit = time.monotonic() + READY_S
        for client in self._clients.values():
            while True:
                self._check()
                try:
                    await client.models.list()
                    break
                except APIConnectionError:
                    await asyncio.sleep(0.05)
                except APIError as error:
                    raise ConfigError("turnout demo", None, f"{client.base_url} answers wrongly: {error}") from None
                if time.monotonic() > limit:
                    raise ConfigError("turnout demo", None, f"{client.base_url} did not come up in {READY_S:g} s")

    def _check(self) -> None:
        children.check(self._servers, "turnout demo")

    async def _compare(self, work: Sequence[Job], seed: int) -> list[Row]:
        """Every job in every lane, all lanes at once."""
        gate = asyncio.Semaphore(RUNS_AT_ONCE)
        with self._screen.progress([lane.title for lane in lanes()], len(work)) as advance:
            return list(await asyncio.gather(*(self._lane(lane, work, gate, advance, seed) for lane in lanes())))

    async def _lane(
        self, lane: Lane, work: Sequence[Job], gate: asyncio.Semaphore, advance: Callable[[str], None], seed: int
    ) -> Row:
        agent = Agent(lane, self._clients)
        runs: dict[str, list[Job]] = {}
        for job in work:
            runs.setdefault(job.run, []).append(job)

        async def one(run: Sequence[Job]) -> dict[str, bool]:
            async with gate:
                solved = {}
                for job in run:
                    solved[job.task.id] = await agent.work(job)
                    advance(lane.title)
                return solved

        results = await asyncio.gather(*(one(run) for run in runs.values()))
        solved = {name: right for result in results for name, right in result.items()}
        entries = await self._ledger(lane.name)
        default = policy.load(self._policies / "default.yaml")
        losses = {job.task.id: report.loss(default, job.profile.step_class) for job in work}
        return report.row(lane.title, report.account(entries, solved, self._catalog, losses), seed, agent.refused)

    async def _ledger(self, lane: str) -> Mapping[str, Any]:
        """Step → entries, of one lane."""
        client = next(iter(self._clients.values()))
        address = str(client.base_url.join("/sim/ledger"))
        found: Any = await client.get(address, cast_to=object, options={"params": {"lane": lane}})
        entries: Mapping[str, Any] = found["lanes"].get(lane, {})
        return entries

    async def _explain(self, work: Sequence[Job]) -> None:
        """Three decisions in full, of three different kinds."""
        wanted = (("code", True), ("reasoning", False), ("vision", True))
        for step_class, retried in wanted:
            profiles = (j for j in work if j.profile.step_class == step_class and bool(j.profile.retries) == retried)
            job = next(profiles, None)
            if job is None:
                continue
            body = {"model": "auto", "messages": job.messages(), "turnout": hints(job, f"explained-{job.task.id}", 1)}
            decision: Any = await self._clients["auto"].post("/route", body=body, cast_to=object)
            self._screen.decision(f"{job.task.id}: {_terms(job)}", _shortened(decision))

    async def _learned(self, seed: int) -> None:
        """The second act: what outcomes change."""
        while not self._result.exists():
            self._check()
            if (ending := self._second.epitaph()) is not None and not self._result.exists():
                raise ConfigError("turnout demo", None, ending)
            await asyncio.sleep(0.05)
        act = msgspec.json.decode(self._result.read_bytes(), type=Act)
        before, after = act.rows
        self._screen.table(
            f"Second act: {act.steps} steps like these, seed {seed}, before and after learning",
            report.HEAD,
            [report.cells(row) for row in act.rows],
        )
        self._screen.say(NO_SOCKETS, quietly=True)
        self._screen.say(report.compared(after, before))
        costs = f"{before.cost_with_failures:.5f} before, {after.cost_with_failures:.5f} after"
        self._screen.say(f"USD per step with failures, which is what the policy minimises: {costs}.")
        self._screen.table("Plans that changed, for the first of each sort of step", HEAD, act.changes)
        self._screen.say(WHY, quietly=True)

    async def _stay(self) -> None:
        root = self._address.removesuffix("/v1")
        body = '{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}'
        self._screen.say("Still serving.")
        self._screen.say(f"OpenAI base URL   {self._address}   (model: auto)")
        self._screen.say(f"metrics           {root}/metrics")
        self._screen.say(
            f"explain a step    curl -s {self._address}/route -H 'content-type: application/json' -d '{body}'"
        )
        self._screen.say("Ctrl-C ends it.", quietly=True)
        while True:
            self._check()
            await asyncio.sleep(0.5)


def _shortened(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The decision with no more of the frontier than the plans around the chosen one."""
    plans = decision["frontier"]
    at = next((i for i, p in enumerate(plans) if p["arms"] == decision["chosen"]["arms"]), 0)
    start = max(0, min(at - PLANS_SHOWN // 2, len(plans) - PLANS_SHOWN))
    return {**decision, "frontier": plans[start : start + PLANS_SHOWN]}


def _terms(job: Job) -> str:
    """The terms of a job in words."""
    asked = "" if job.profile.accuracy is None else f", at least {job.profile.accuracy:.0%} sure"
    return f"a {job.profile.step_class} step, {job.profile.retries} retries{asked}"
