"""The simulators' own process."""

from __future__ import annotations

import os

from openai import OpenAI

from router.simulate import children
from router.simulate.server import Options
from tests.simulate.conftest import CATALOG, NEMOTRON


def test_models_run_in_a_process_of_their_own() -> None:
    """They answer at the addresses given before they are up, and have ended after the block."""
    with children.models(CATALOG, Options(speed=10_000.0), os.environ) as (child, addresses):
        with OpenAI(base_url=addresses[NEMOTRON], api_key="none", timeout=20) as client:
            answer = client.chat.completions.create(model=NEMOTRON, messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].message.content
        assert child.epitaph() is None
    assert child.process.poll() is not None


def test_models_end_when_their_parent_is_gone() -> None:
    """Closing their standard input, as a killed parent does, ends them."""
    with children.models(CATALOG, Options(), os.environ) as (child, _):
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert child.process.wait(timeout=10) == 0
