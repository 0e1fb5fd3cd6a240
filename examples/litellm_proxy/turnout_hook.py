"""A pre-call hook for LiteLLM's proxy: Turnout chooses the model, LiteLLM calls it.

LiteLLM keeps its keys, budgets, logs and providers. For every chat whose model is `auto`, `auto:<policy>` or
`auto?hints`, the hook asks `POST /v1/route`, which sends nothing to any model, and puts the answer into the request:
the model group of the chosen model's name, and the parameters that select its thinking mode. If Turnout does not answer
in time, the request goes to `TURNOUT_FALLBACK`: routing fails open.

Environment: TURNOUT_URL (http://127.0.0.1:8080), TURNOUT_KEY, TURNOUT_FALLBACK (a model group), TURNOUT_TIMEOUT (0.5
seconds).
"""

from __future__ import annotations

import logging
import os
from typing import Any

import httpx
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

LOG = logging.getLogger("turnout_hook")
CHATS = ("completion", "acompletion")
HEADERS = ("x-turnout-", "x-session-id", "session-id", "session_id", "x-session-affinity", "x-claude-code-session-id")
"""Of the caller's headers, those that Turnout reads: hints and sessions."""

READ = (
    "model messages tools tool_choice response_format max_tokens max_completion_tokens n stream logprobs turnout "
    "prompt_cache_key reasoning_effort reasoning thinking enable_thinking chat_template_kwargs"
).split()
"""Members of the request that a decision reads; LiteLLM keeps things of its own beside them."""


class TurnoutHook(CustomLogger):
    def __init__(self) -> None:
        super().__init__()
        self._fallback = os.environ.get("TURNOUT_FALLBACK")
        self._client = httpx.AsyncClient(
            base_url=os.environ.get("TURNOUT_URL", "http://127.0.0.1:8080"),
            headers={"authorization": f"Bearer {os.environ.get('TURNOUT_KEY', 'unused')}"},
            timeout=float(os.environ.get("TURNOUT_TIMEOUT", "0.5")),
        )

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """The request with a model of the proxy's own. Raises HTTPException with Turnout's words on a bad hint."""
        model = str(data.get("model", ""))
        if getattr(call_type, "value", call_type) not in CHATS or model.partition("?")[0].partition(":")[0] != "auto":
            return data
        sent = data.get("proxy_server_request") or {}
        told = {n: v for n, v in sent.get("headers", {}).items() if n.lower().startswith(HEADERS)}
        body = {name: data[name] for name in READ if name in data}
        body["metadata"] = {n: v for n, v in (data.get("metadata") or {}).items() if n.startswith("turnout.")}
        try:
            got = await self._client.post("/v1/route", json=body, headers=told)
        except httpx.HTTPError as error:
            return self._failed_open(data, f"{type(error).__name__}: {error}")
        if got.status_code in (400, 404):
            raise HTTPException(got.status_code, got.json()["error"])
        if got.status_code != 200:
            return self._failed_open(data, f"status {got.status_code}")
        return _decided(data, got.json()["chosen"])

    def _failed_open(self, data: dict[str, Any], why: str) -> dict[str, Any]:
        LOG.warning("Turnout did not decide (%s); the request goes to %s", why, self._fallback)
        return data | {"model": self._fallback} if self._fallback else data


def _decided(data: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """The request for the plan's first model; LiteLLM falls back on the plan's others where it fails."""
    models = list(dict.fromkeys(arm.partition("/")[0] for arm in chosen["arms"]))
    out = {name: value for name, value in data.items() if name != "turnout"} | {"model": models[0]}
    if chosen["parameters"]:
        out["extra_body"] = {**(data.get("extra_body") or {}), **chosen["parameters"]}
    if len(models) > 1:
        out["fallbacks"] = models[1:]
    return out


turnout = TurnoutHook()
