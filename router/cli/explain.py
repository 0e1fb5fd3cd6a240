"""`turnout explain`: what would be done with a step, and why, under one policy or several side by side."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from router import config
from router.api.explain import explain as explained
from router.attempts import Admission, FaultBudget, Tools
from router.cli import options, show
from router.config import Config
from router.errors import ConfigError
from router.feedback import Feedback
from router.health import Health
from router.lots import Lots
from router.pipeline import Pipeline
from router.record import Incoming
from router.settings import Settings
from router.store.memory import MemoryStore
from router.upstream import Scripted

OUT = show.terminal()


def command(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What the user says. Or give --file.", show_default=False)] = None,
    file: Annotated[
        Path | None, typer.Option(help="A chat completion body as JSON; '-' reads standard input.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model name, for example 'auto?accuracy=0.9'.", show_default="auto")
    ] = None,
    hint: Annotated[
        list[str] | None, typer.Option(help="A hint as name=value; may be repeated.", show_default=False)
    ] = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--policy", help="What 'auto' means; several: side by side.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what /v1/route would answer.")] = False,
    all_plans: Annotated[bool, typer.Option("--all", help="Show every plan, not only the frontier.")] = False,
) -> None:
    """Show what would be done with a step, and why: gates, plans, the choice. Calls no model."""
    here = options.settings(context.obj, catalog=catalog, policies=policies)
    body, asked = _body(text, file, model, _hints(hint or [])), names or [here.policy]
    decisions = [asyncio.run(_decided(dataclasses.replace(here, policy=name), body)) for name in asked]
    if as_json:
        OUT.print_json(json.dumps(decisions[0] if len(asked) == 1 else decisions))
        return
    if len(decisions) > 1:
        compared(OUT, decisions)
    for decision in decisions if len(decisions) == 1 or all_plans else ():
        show.decision(OUT, decision, all_plans=all_plans)


async def _decided(here: Settings, body: bytes) -> dict[str, Any]:
    current = config.load(here, without_keys=True)
    return await explained(_dry(current, here), Incoming(body, {}, "local", "explain"))


def compared(console: Console, decisions: Sequence[Mapping[str, Any]]) -> None:
    """What each policy makes of the same step, and what it believes it costs."""
    right = ("P", "cost USD", "per success", "secs")
    table = show.empty_table(console, "", "policy", "class", "plan", *right, "why", right=right, prose=("why",))
    for d in decisions:
        plan = d["chosen"]
        p, cost = plan["p_success"], plan["expected_cost_usd"]
        table.add_row(
            d["policy"],
            d["step_class"],
            " then ".join(plan["arms"]),
            f"{p:.3f}",
            f"{cost:.6f}",
            f"{cost / p:.6f}" if p else "-",
            f"{plan['expected_seconds']:.1f}",
            d["reason"],
        )
    console.print(table)
    first = decisions[0]["chosen"]
    for d in decisions[1:]:
        plan = d["chosen"]
        if plan["arms"] == first["arms"]:
            show.say(console, f"{d['policy']} does the same as {decisions[0]['policy']}.")
            continue
        points, usd = plan["p_success"] - first["p_success"], plan["expected_cost_usd"] - first["expected_cost_usd"]
        show.say(
            console,
            f"{d['policy']} against {decisions[0]['policy']}: P {points * 100:+.1f} points, ${usd:+.6f}, "
            f"{plan['expected_seconds'] - first['expected_seconds']:+.1f} s a step, as believed.",
        )


def _dry(current: Config, here: Settings) -> Pipeline:
    """A pipeline that can only decide: it has no model to call."""
    clock = time.monotonic
    tools = Tools(Scripted([]), Health(clock), Admission(clock), FaultBudget(clock), here, clock)
    store = MemoryStore()
    lots, feedback = Lots(here.exploration_secret, None), Feedback(store, lambda _: None)
    return Pipeline(config=lambda: current, store=store, tools=tools, feedback=feedback, lots=lots)


def _body(text: str | None, file: Path | None, model: str | None, hints: dict[str, str]) -> bytes:
    if (text is None) == (file is None):
        raise ConfigError("explain", None, "give either a text or --file")
    if file is None:
        messages = [{"role": "user", "content": text}]
        return msgspec.json.encode({"model": model or "auto", "messages": messages, "turnout": hints})
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(str(file), None, error.strerror or "cannot be read") from None
    if model is None and not hints:
        return body
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ConfigError(str(file), None, f"is not JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(said := data.get("turnout") or {}, dict):
        return body  # what is wrong with it is told as to a caller
    changed = {"turnout": {**said, **hints}} | ({} if model is None else {"model": model})
    return json.dumps({**data, **changed}).encode()


def _hints(pairs: list[str]) -> dict[str, str]:
    """`name=value` as a body's `turnout` object."""
    hints = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark:
            raise ConfigError("--hint", None, f"{pair!r} is not name=value")
        hints[name.replace("-", "_")] = value
    return hints
