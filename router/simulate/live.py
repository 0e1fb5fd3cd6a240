"""`python -m router.simulate.live ADDRESS MODELS [KEY_FILE]`: agents that never stop, and say how each step ended.

They do what the demo's agents do, at a steady pace, so that metrics and dashboards have something to show.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from openai import APIError, AsyncOpenAI, DefaultAsyncHttpxClient

from router.simulate.lanes import TURNOUT, Agent
from router.simulate.workload import RUN_LENGTH, Job, jobs

ROUND = 60 * RUN_LENGTH
"""Steps after which the simulated models forget all attempts, so that their ledger does not grow without end."""
PACE = 4.0
"""Runs of agents that begin in a second, unless told otherwise."""
AT_ONCE = 24
"""Runs under way at once: where the server is slow, fewer begin."""


class Traffic:
    """`address` is the server's and `models` one simulated model's OpenAI base URL."""

    def __init__(self, address: str, models: str, key: str = "none", *, seed: int = 7, pace: float = PACE) -> None:
        self._seed, self._pause = seed, 1.0 / pace
        self._http = DefaultAsyncHttpxClient(trust_env=False)  # a proxy of the shell's is not for loopback
        common: dict[str, Any] = {"api_key": key, "max_retries": 0, "timeout": 60, "http_client": self._http}
        self._server = AsyncOpenAI(base_url=address, **common)
        self._models = AsyncOpenAI(base_url=models, **common)
        self._agent = Agent(TURNOUT, {"auto": self._server}, partial(self._tell, success=False))
        self.steps = self.untold = 0
        """Steps that ended, and those of which no verdict was taken."""

    async def play(self, rounds: int | None = None) -> None:
        """So many rounds, or for ever. Faults of the servers are the agents' lot, not the end."""
        try:
            for number in itertools.count() if rounds is None else range(rounds):
                await self._round(jobs(ROUND, self._seed, first=number * ROUND))
                with contextlib.suppress(APIError):
                    await self._models.post(str(self._models.base_url.join("/sim/reset")), cast_to=object)
        finally:
            await self._http.aclose()

    async def _round(self, work: Sequence[Job]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(run: Sequence[Job]) -> None:
            try:
                for job in run:
                    await self._step(job)
            finally:
                gate.release()

        async with asyncio.TaskGroup() as group:
            for start in range(0, len(work), RUN_LENGTH):
                await gate.acquire()
                group.create_task(one(work[start : start + RUN_LENGTH]))
                await asyncio.sleep(self._pause)

    async def _step(self, job: Job) -> None:
        right = await self._agent.work(job)
        last = f"{job.task.id}+" if job.task.step_class == "tool_use" else job.task.id
        await self._tell(last, success=right)
        self.steps += 1

    async def _tell(self, step_id: str, *, success: bool) -> None:
        try:
            verdict = {"step_id": step_id, "success": success, "source": "tests"}
            await self._server.post("/outcomes", body=verdict, cast_to=object)
        except APIError:  # a tool step whose first half failed has no second one to judge
            self.untold += 1


def main() -> None:
    address, models, *rest = sys.argv[1:]
    key = Path(rest[0]).read_text().strip() if rest else "none"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Traffic(address, models, key).play())


if __name__ == "__main__":
    main()
