"""The judge of the examples, as a program of its own: it runs what the models wrote, and the proxy believes it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import answers
from tests.proxy.test_judges import judged
from tests.proxy.yard import CHEAP_THEN_DEAR, Yard

JUDGE = Path(__file__).resolve().parents[2] / "examples" / "judge" / "judge.py"
RIGHT = "Here:\n```python\ndef add(a, b):\n    return a + b\n```\n"
WRONG = {
    "wrong": "```python\ndef add(a, b):\n    return a - b\n```",
    "no code": "I would add them.",
    "out at once": "```python\nimport os\nos._exit(0)\n```",
    "a hog": "```python\ndef add(a, b):\n    return len(bytearray(4 << 30))\n```",
    "a large file": "```python\ndef add(a, b):\n    open('x', 'wb').write(bytes(4 << 20))\n    return a + b\n```",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(JUDGE), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
        process.terminate()


@pytest.mark.parametrize("wrong", WRONG)
async def test_wrong_code_is_rejected_and_right_code_is_not(
    yard: Yard, answer: Callable[..., str], url: str, wrong: str
) -> None:
    """By running it, within limits; the second model's answer is what goes out."""
    bad, good = (answers.http(answers.completion(text)) for text in (WRONG[wrong], RIGHT))
    proxy = await yard({"cheap": answer(bad), "dear": answer(good)}, policy=judged(url))
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR | {"step_id": "add"})
    outcome = await proxy.settled()
    assert b"return a + b" in got.body
    assert [j.result for a in outcome.attempts for j in a.judgings] == ["rejected", "accepted"]


@pytest.mark.parametrize("step_id", ["unknown", "../tests/add", "add.py"])
async def test_steps_without_tests_are_not_judged(
    yard: Yard, answer: Callable[..., str], url: str, step_id: str
) -> None:
    """Nor can a step's id name a file elsewhere."""
    proxy = await yard({"cheap": answer(answers.http(answers.completion(RIGHT)))}, policy=judged(url))
    assert (await proxy.chat(turnout={"step_id": step_id})).status == 200
    assert [j.result for j in (await proxy.settled()).attempts[0].judgings] == ["status"]
