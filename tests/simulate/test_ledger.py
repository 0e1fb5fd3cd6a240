"""What really ran."""

from __future__ import annotations

from router.simulate import tasks
from tests.simulate.asking import ask, ledger
from tests.simulate.conftest import NEMOTRON, QWEN, Models


async def test_the_ledger_counts_attempts_by_lane_step_and_arm(models: Models) -> None:
    """Lanes do not share counters; attempts go on counting; one lane can be asked for; a reset forgets all."""
    task = tasks.make("code", 1, 7)
    async with models() as clients:
        for lane, times in (("a", 2), ("b", 1)):
            for _ in range(times):
                await ask(clients[NEMOTRON], NEMOTRON, task, user=lane)
        await ask(clients[QWEN], QWEN, task, user="a")
        lanes = await ledger(clients[QWEN])
        only = await ledger(clients[QWEN], lane="b")
        none = await ledger(clients[QWEN], lane="c")
        await clients[QWEN].post(str(clients[QWEN].base_url.join("/sim/reset")), cast_to=object)
        assert await ledger(clients[QWEN]) == {}
    assert [(e["arm"], e["attempt"]) for e in lanes["a"]["code-0001"]] == [
        (f"{NEMOTRON}/on", 1),
        (f"{NEMOTRON}/on", 2),
        (f"{QWEN}/on", 1),
    ]
    assert only == {"b": lanes["b"]} and none == {}
    assert lanes["b"]["code-0001"][0] == lanes["a"]["code-0001"][0]
    assert lanes["b"]["code-0001"][0]["seconds"] > 0 < lanes["b"]["code-0001"][0]["output_tokens"]
