"""Steps that differ only by what they say: with `words` that is learned, without it nothing of it is looked at."""

from __future__ import annotations

import json
import random
from typing import Any

from router.outcome import Outcome
from tests.proxy.yard import HELLO, Proxy, Yard

READS: dict[str, Any] = {
    "verify": "none",
    "classes": [{"name": "dull", "words": False}, {"name": "chat", "sigma": 0, "tau": 0}],
    "words": True,
}
EASY, HARD = "Rename the variable counter in this short function.", "Prove that the sheaf cohomology vanishes here."


def said(text: str, **hints: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "turnout": hints}


async def p(proxy: Proxy, text: str) -> float:
    got = await proxy.fetch("POST", "/v1/route", json.dumps(HELLO | said(text)).encode())
    found = json.loads(got.body)
    assert "text" not in found["facts"]
    return float(found["chosen"]["p_success"])


async def taught(proxy: Proxy) -> tuple[float, float]:
    """Sixty judged steps of which the hard ones fail; then what is believed of either, never seen in these words."""
    rng = random.Random(3)
    for i in range(60):
        text = (EASY, HARD)[i % 2]
        got = await proxy.chat(**said(f"{text} {rng.randrange(1000)}"))
        verdict = {"decision_id": got.headers["x-turnout-decision-id"], "success": text is EASY, "source": "test"}
        await proxy.settled()
        told = await proxy.fetch("POST", "/v1/outcomes", json.dumps(verdict).encode())
        assert told.status == 200
    return await p(proxy, f"{EASY} Thank you."), await p(proxy, f"{HARD} Thank you.")


async def test_words_tell_steps_apart(yard: Yard) -> None:
    """Like words are believed to go like the steps that had them."""
    easy, hard = await taught(await yard({"cheap": "good"}, policy=READS, learn="on"))
    assert easy > hard + 0.2


async def test_off_unless_asked_for(yard: Yard) -> None:
    """By default, and in a class that says no, the words of a step are not hashed, kept or learned from."""
    proxy = await yard({"cheap": "good"}, policy={"verify": "none"}, learn="on")
    easy, hard = await taught(proxy)
    assert easy == hard
    assert {text(o) for o in proxy.outcomes} == {b""}


async def test_a_class_may_say_otherwise(yard: Yard) -> None:
    """Before the policy's word comes the class's."""
    proxy = await yard({"cheap": "good"}, policy=READS)
    await proxy.chat(**said(EASY, step="dull"))
    await proxy.chat(**said(EASY))
    await proxy.settled()
    assert [text(o) != b"" for o in proxy.outcomes] == [False, True]


def text(outcome: Outcome) -> bytes:
    assert outcome.facts is not None
    return outcome.facts.text
