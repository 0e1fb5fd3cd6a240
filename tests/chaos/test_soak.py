"""A short form of benchmarks/soak.py: the same load, for seconds."""

from __future__ import annotations

import asyncio

from benchmarks.soak import soak

SECONDS, RATE = 8.0, 25.0


async def test_memory_is_flat_under_every_sort_of_request() -> None:
    """Steps, faults, impatient callers and changed files: nothing unforeseen comes back, and nothing piles up."""
    found = await asyncio.to_thread(soak, SECONDS, RATE)
    assert found["wrong"] == {} and found["requests"] > SECONDS * RATE / 2
    assert {name.split()[0] for name in found["statuses"]} == {
        "whole", "streamed", "held", "repeated", "wrong", "leaving"
    }  # fmt: skip
    assert found["growth_mb"] < 10
    assert found["open_files"][-1] < found["open_files"][0] + 100
