"""LiteLLM's proxy as it is, with the hook of examples/litellm_proxy: Turnout chooses, LiteLLM calls."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients import environments
from tests.clients.running import KEY, PATIENCE_S, ROOT, Ledger, Running, environment, free_port, policies, serving

pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]

HERE = ROOT / "examples" / "litellm_proxy"
MASTER = "sk-master-of-the-tests"
HELLO: list[Any] = [{"role": "user", "content": "Hello."}]
Q122, Q397 = "qwen3.5-122b", "qwen3.5-397b"


@contextlib.contextmanager
def proxy(folder: Path, turnout: Running, addresses: Mapping[str, str]) -> Iterator[OpenAI]:
    """A client of a LiteLLM proxy that is told of Turnout and of the models' addresses."""
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    port, log = free_port(), folder / "log"
    program = environments.made("litellm_proxy") / "bin" / "litellm"
    told = environment(
        PATH=os.pathsep.join((str(program.parent), "/usr/bin", "/bin")),
        HOME=str(folder),
        NEMOTRON_BASE_URL=addresses["nemotron-3-super"],
        QWEN_122B_BASE_URL=addresses[Q122],
        QWEN_397B_BASE_URL=addresses[Q397],
        NEMOTRON_API_KEY="x",
        QWEN_API_KEY="x",
        LITELLM_MASTER_KEY=MASTER,
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        TURNOUT_URL=turnout.url,
        TURNOUT_KEY=KEY,
        TURNOUT_FALLBACK=Q122,
    )
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=told,
            stdout=out,
            stderr=out,
        )
    running = Running(process, log, f"http://127.0.0.1:{port}")
    try:
        limit = time.monotonic() + PATIENCE_S * 4
        while running.get("/health/liveliness")[0] != 200:
            assert process.poll() is None and time.monotonic() < limit, running.said()
            time.sleep(0.2)
        with OpenAI(base_url=f"{running.url}/v1", api_key=MASTER, max_retries=0, timeout=PATIENCE_S) as client:
            yield client
    finally:
        running.end()


def ask(client: OpenAI, ledger: Ledger, model: str = "auto", **more: Any) -> Counter[str]:
    """What a request makes the models do."""
    before = ledger.arms()
    answer: Any = client.chat.completions.create(model=model, messages=HELLO, **more)
    said = "".join(c.choices[0].delta.content or "" for c in answer if c.choices) if more.get("stream") else answer
    assert said if more.get("stream") else said.choices[0].message.content
    return ledger.arms() - before


def test_turnout_chooses_and_litellm_calls(addresses: dict[str, str], ledger: Ledger, tmp_path: Path) -> None:
    """Hints in all four ways and thinking modes arrive; a bad hint is told; named models are left alone; without an
    answer of Turnout's the request goes to the fallback."""
    served = policies(tmp_path / "policies", addresses)
    with (
        serving(served, tmp_path / "log", TURNOUT_API_KEYS=KEY) as turnout,
        proxy(tmp_path / "litellm", turnout, addresses) as client,
    ):
        assert ask(client, ledger, "auto?step=tool_use&accuracy=0.8") == {"nemotron-3-super/low": 1}
        assert ask(client, ledger, metadata={"turnout.models": f"{Q397}/off"}) == {f"{Q397}/off": 1}
        assert ask(client, ledger, extra_headers={"x-turnout-models": f"{Q122}/off"}, stream=True) == {f"{Q122}/off": 1}
        assert ask(client, ledger, extra_body={"turnout": {"models": [f"{Q397}/on"]}}) == {f"{Q397}/on": 1}
        assert set(ask(client, ledger, "auto:apache-only")) <= {f"{q}/{m}" for q in (Q122, Q397) for m in ("on", "off")}
        assert set(ask(client, ledger, "nemotron-3-super")) == {"nemotron-3-super/on"}
        with pytest.raises(openai.BadRequestError, match=r"model\?accuracy must be a number"):
            ask(client, ledger, "auto?accuracy=2")
        turnout.end()
        assert set(ask(client, ledger)) == {f"{Q122}/on"}


def test_litellm_falls_back_on_the_plans_other_model(
    addresses: dict[str, str], turnout_server: Running, ledger: Ledger, tmp_path: Path
) -> None:
    """Where the first cannot be reached."""
    dead = {**addresses, "nemotron-3-super": f"http://127.0.0.1:{free_port()}/v1"}
    with proxy(tmp_path / "litellm", turnout_server, dead) as client:
        hints = {"step": "code", "accuracy": 0.85, "retries": 1, "verify": "caller"}
        (arm,) = ask(client, ledger, extra_body={"turnout": hints})
        assert arm.startswith("qwen")
