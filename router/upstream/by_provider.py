"""Picks the client that speaks a deployment's dialect."""

from __future__ import annotations

from router.errors import UpstreamFault
from router.upstream.base import Call, Reply, Upstream


class ByProvider:
    """Sends to OpenAI-compatible endpoints directly and to all others through litellm, where it was loaded."""

    def __init__(self, openai: Upstream, litellm: Upstream | None = None) -> None:
        self._openai, self._litellm = openai, litellm

    async def send(self, call: Call) -> Reply:
        if call.deployment.litellm_provider is None:
            return await self._openai.send(call)
        if self._litellm is None:
            raise UpstreamFault("connect", "The deployment needs litellm, which is loaded only when Turnout starts.")
        return await self._litellm.send(call)

    async def close(self) -> None:
        await self._openai.close()
        if self._litellm is not None:
            await self._litellm.close()
