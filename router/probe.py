"""Tries deployments live with a call of a few tokens, and says what to fix where one does not answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from router.catalog import Deployment, Mode
from router.errors import UpstreamFault
from router.onboard import Chosen
from router.upstream.base import Call, Upstream


class Probe(msgspec.Struct, frozen=True):
    """How one mode of one deployment answered a real call of a few tokens."""

    model: str
    deployment: str
    mode: Mode
    ok: bool
    seconds: float
    problem: str = ""
    fix: str = ""
    """What to change, or what to know where it worked."""


Lister = Callable[[Deployment], Awaitable[Sequence[str]]]
"""Asks an endpoint for the ids of its models. Raises UpstreamFault."""

MAX_ANSWER = 1_000_000


async def probe(
    upstream: Upstream, chosen: Iterable[Chosen], *, ids: Lister | None = None, limit_s: float = 60.0
) -> tuple[Probe, ...]:
    """Calls every mode of every deployment once, one by one, each within `limit_s` seconds. A fault is a finding."""
    found: list[Probe] = []
    for model, deployment in chosen:
        for mode, parameters in deployment.thinking.items():
            began = time.monotonic()
            try:
                async with asyncio.timeout(limit_s):
                    status, body = await _ask(upstream, deployment, parameters)
                    problem, fix = _finding(deployment, mode, status, body)
                    if status == 404 and ids is not None:
                        fix = f"{fix} {await _there(ids, deployment)}".rstrip()
            except UpstreamFault as fault:
                problem, fix = fault.message, _FAULT_FIXES.get(fault.kind, "Look at the endpoint's own log.")
                if fault.kind == "auth":
                    fix = f"Set {deployment.api_key_env} in the environment."
            except TimeoutError:
                problem, fix = (
                    f"no answer in {limit_s:g} s",
                    "Try again once the model is loaded, or with a longer limit.",
                )
            found.append(Probe(model, deployment.name, mode, not problem, time.monotonic() - began, problem, fix))
    return tuple(found)


_FAULT_FIXES = {
    "connect": "Start the endpoint, or correct base_url: host, port and scheme.",
    "timeout": "Try again once the model is loaded.",
    "redirect": "Use the address that the endpoint redirects to as base_url.",
    "invalid_body": "Check that base_url is an OpenAI-compatible API, up to and with /v1.",
}


async def _ask(upstream: Upstream, deployment: Deployment, parameters: Mapping[str, Any]) -> tuple[int, Any]:
    """Status and parsed body (None where it is not JSON) of the shortest chat. Raises UpstreamFault."""
    body = {
        "model": deployment.model,
        "messages": [{"role": "user", "content": "Say ok."}],
        "max_tokens": 8,
        **parameters,
    }
    reply = await upstream.send(Call(deployment=deployment, body=json.dumps(body).encode(), stream=False))
    try:
        raw = await reply.read(MAX_ANSWER)
    finally:
        await reply.close()
    try:
        return reply.status, json.loads(raw)
    except ValueError:
        return reply.status, None


def _finding(deployment: Deployment, mode: Mode, status: int, body: Any) -> tuple[str, str]:
    """What is wrong and what to do about it; an empty problem where it works."""
    if status == 200:
        message = _message(body)
        if message is None:
            return "the answer is not a chat completion", _FAULT_FIXES["invalid_body"]
        thought = any(message.get(field) for field in ("reasoning", "reasoning_content"))
        return "", "It thinks although told not to: other thinking parameters?" if mode == "off" and thought else ""
    problem = f"status {status}{_said(body)}"
    if status in (401, 403):
        key = deployment.api_key_env
        return (
            problem,
            f"Check the key in {key}." if key else "It wants a key: name its variable as key_env and set it.",
        )
    if status == 404:
        return (
            problem,
            f"Check the model id {deployment.model!r}, and that base_url ends where /chat/completions begins.",
        )
    if status == 429:
        return problem, "Address and key are right; the rate limit or balance is used up."
    if status in (400, 422):
        return problem, f"It may not take {json.dumps(deployment.thinking[mode])}; try another dialect."
    return problem, "The endpoint itself failed: look at its log, or try later."


def _message(body: Any) -> dict[str, Any] | None:
    try:
        message = body["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return None
    return message if isinstance(message, dict) else None


def _said(body: Any) -> str:
    """The error's own words, on one line and cut, with a colon before them; empty where there are none."""
    error = body.get("error", body.get("detail", body.get("message"))) if isinstance(body, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    return f": {' '.join(text.split())[:200]}" if isinstance(text, str) and text.strip() else ""


async def _there(ids: Lister, deployment: Deployment) -> str:
    try:
        names = list(await ids(deployment))
    except UpstreamFault:
        return ""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"It has: {', '.join(names[:10])}{more}." if names else "It lists no models."


def working(chosen: Iterable[Chosen], probes: Iterable[Probe]) -> tuple[Chosen, ...]:
    """Only what answered: modes that failed are taken out, and deployments without any mode left."""
    good = {(p.model, p.deployment, p.mode) for p in probes if p.ok}
    kept = (
        (model, d.model_copy(update={"thinking": {m: v for m, v in d.thinking.items() if (model, d.name, m) in good}}))
        for model, d in chosen
    )
    return tuple((model, d) for model, d in kept if d.thinking)


def table(probes: Sequence[Probe]) -> str:
    """One line for each try, aligned, with what to fix below the ones that failed; modes of one deployment that failed
    alike share a line."""
    alike: dict[tuple[object, ...], list[Probe]] = {}
    for p in probes:
        alike.setdefault((p.model, p.deployment, p.mode if p.ok else "", p.problem, p.fix), []).append(p)
    tried = [(f"{g[0].model}/{','.join(p.mode for p in g)} at {g[0].deployment}", g[0]) for g in alike.values()]
    width = max((len(what) for what, _ in tried), default=0)
    lines: list[str] = []
    for what, p in tried:
        lines.append(f"{'ok    ' if p.ok else 'FAILED'}  {what.ljust(width)}  {p.seconds:.2f} s  {p.problem}".rstrip())
        if p.fix:
            lines.append(f"        {p.fix}")
    return "\n".join(lines)
