"""Samples, answers and judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router.catalog import Catalog
from router.compare import sample
from router.compare.sample import Task
from router.upstream import Line
from router.wire.answer import Answer, Choice, ToolCall
from tests.plan import small


def body(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "6 * 7?"}], **more}


def tasks(path: Path, *lines: dict[str, Any]) -> list[Task]:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return sample.read(path)


def answer(text: str = "42", **more: Any) -> Answer:
    return Answer((Choice(content=text, **more),))


CALL = ToolCall("lookup", '{"key": "KX-042"}')


def said(text: str = "42", prompt: int = 1_000, completion: int = 100) -> Line:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Line(json.dumps({"choices": [choice], "usage": usage}).encode())


def two() -> Catalog:
    """Two models with one mode: `n` at $0.085 and $0.40 a million tokens, `q` at $0.45 and $3.00."""
    names = {"n": (0.085, 0.40), "q": (0.45, 3.00)}
    models = {name: _model(name, *prices) for name, prices in names.items()}
    return small.catalog(models)


def _model(name: str, per_in: float, per_out: float) -> dict[str, Any]:
    place = small.deployment(name, prices={"input": per_in, "output": per_out})
    return small.model(70.0, (per_in, per_out), deployments=[place])
