"""Providers that speak another dialect (Anthropic, Bedrock, Vertex), translated by litellm.

Slow and heavy (`router.loader` says how heavy), so only for deployments that name a `litellm_provider`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import aiohttp
import msgspec

from router.errors import UpstreamFault
from router.upstream import connection, translated
from router.upstream.base import Call, Pieces, Ready, Reply, key_of
from router.upstream.connection import LINK, Link
from router.upstream.remote import addresses

FIELDS = frozenset(
    "messages temperature top_p top_k n stop max_tokens max_completion_tokens tools tool_choice parallel_tool_calls "
    "functions function_call response_format seed presence_penalty frequency_penalty logit_bias logprobs top_logprobs "
    "user reasoning_effort thinking verbosity modalities audio prediction web_search_options service_tier "
    "safety_identifier prompt_cache_key stream_options".split()
)
"""Body fields that are handed on. Others stay out: litellm takes addresses, keys and callbacks by the same door."""
HINTS = frozenset(
    "seed user parallel_tool_calls service_tier safety_identifier prompt_cache_key prediction verbosity".split()
)
"""Fields left out for a provider that does not know them: the answer is the same kind of answer without them."""
SDK_PROVIDERS = frozenset({"openai", "azure", "azure_text", "text-completion-openai"})
"""litellm calls these through the openai package, which does not take our connections."""
LONGEST_S = 3600.0
"""litellm's own limit; ours, and the caller's, are shorter."""
WORDS_AROUND = re.compile(r"^(?:litellm\.\w+: )*(?:\w+ - )?|\. To drop these.*", re.DOTALL)
"""What litellm puts around a provider's own words."""


class LiteLLMUpstream:
    """Calls litellm with its retries, redirects, proxies and cookies off, and gives its answers OpenAI's shape.

    A provider's refusal becomes a reply with its status and an OpenAI error body, as an OpenAI-compatible endpoint
    would give it; a broken connection becomes an UpstreamFault. Where a deployment names no key, litellm looks for the
    provider's usual variables itself, as for AWS credentials.
    """

    def __init__(self, keys: Mapping[str, str], litellm: Any) -> None:
        """`keys`: environment variable → value. `litellm`: the module, as `router.loader.load_litellm` gives it."""
        self._keys, self._litellm = keys, litellm
        self.errors: tuple[type[Exception], ...] = tuple(litellm.exceptions.LITELLM_EXCEPTION_TYPES)
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    async def send(self, call: Call) -> Reply:
        arguments = self._arguments(call)
        link = Link()
        token = LINK.set(link)
        try:
            async with asyncio.timeout(call.idle_s if call.stream else None):
                answer = await self._litellm.acompletion(**arguments)
        except self.errors as error:
            return self._refused(error)
        except TimeoutError as error:
            raise connection.fault(error) from error
        finally:
            LINK.reset(token)
        model = call.deployment.model
        if call.stream:
            show_usage = bool((arguments.get("stream_options") or {}).get("include_usage"))
            return _Stream(self, answer, link, model, call.idle_s, show_usage)
        return Ready(200, {"content-type": "application/json"}, translated.whole(answer.model_dump(), model))

    async def close(self) -> None:
        client, session, self._client, self._session = self._client, self._session, None, None
        if client is not None:
            await client.close()
        if session is not None:
            await session.close()

    def _arguments(self, call: Call) -> dict[str, Any]:
        deployment = call.deployment
        provider, model = deployment.litellm_provider or "", deployment.model
        own = {field for parameters in deployment.thinking.values() for field in parameters}
        known = self._supported(provider, model)
        body: dict[str, Any] = msgspec.json.decode(call.body)
        if addresses(body.get("messages")):
            raise UpstreamFault("unsupported", "This deployment takes pictures and files as data: URLs only.")
        fields = {
            field: value
            for field, value in body.items()
            if value is not None and (field in FIELDS or field in own) and (field not in HINTS or field in known)
        }
        headers = dict(deployment.headers) | dict(call.headers) | dict(call.trace)
        if headers:
            fields["extra_headers"] = headers
        return fields | {
            "model": f"{provider}/{model}",
            "stream": call.stream,
            "api_base": deployment.url or None,
            "api_key": key_of(deployment, self._keys),
            "client": self._http(provider),
            "timeout": LONGEST_S,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
            "allowed_openai_params": sorted(own),  # what the catalog says of a model goes over what litellm knows of it
        }

    def _supported(self, provider: str, model: str) -> frozenset[str]:
        known = self._known.get((provider, model))
        if known is None:
            names = self._litellm.get_supported_openai_params(model=model, custom_llm_provider=provider)
            known = self._known[provider, model] = frozenset(names or ())
        return known

    def _http(self, provider: str) -> Any:
        """litellm's HTTP client on connections of ours, so that a call can cut its own; None where it takes none."""
        if provider in SDK_PROVIDERS or provider in self._litellm.openai_compatible_providers:
            return None
        if self._client is None:
            self._session = connection.session(pooled=True)
            self._client = self._litellm.llms.custom_httpx.http_handler.AsyncHTTPHandler(
                ssl_verify=True, shared_session=self._session, follow_redirects=False
            )
        return self._client

    def broken(self, error: BaseException) -> UpstreamFault | None:
        """The fault for a litellm error that goes back to a broken connection, else None."""
        for cause in _causes(error):
            if isinstance(cause, aiohttp.ClientError | OSError):
                return connection.fault(cause)
        if isinstance(error, self._litellm.exceptions.Timeout):
            return UpstreamFault("timeout", "The upstream sent nothing for too long.")
        return None

    def _refused(self, error: Exception) -> Reply:
        fault, status = self.broken(error), getattr(error, "status_code", 500)
        if isinstance(error, self._litellm.exceptions.APIConnectionError):
            # What litellm calls all that it has no name for: an odd status, or an answer that it cannot read.
            statuses = (getattr(cause, "status_code", 0) for cause in _causes(error.__context__))
            status = next((s for s in statuses if s >= 300), 200)
        if fault is None and status == 200:
            fault = UpstreamFault("invalid_body", "The upstream's answer could not be translated.")
        if fault is not None:
            raise fault from error
        too_long = isinstance(error, self._litellm.exceptions.ContextWindowExceededError)
        code = "context_length_exceeded" if too_long else None
        headers = {"content-type": "application/json"}
        wait = (getattr(error, "litellm_response_headers", None) or {}).get("retry-after")
        if wait is not None:
            headers["retry-after"] = wait
        return Ready(status, headers, translated.refusal(status, WORDS_AROUND.sub("", str(error)), code))


class _Stream(Pieces):
    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    def __init__(
        self, upstream: LiteLLMUpstream, stream: Any, link: Link, model: str, idle_s: float, show_usage: bool
    ) -> None:
        self._upstream, self._stream, self._link = upstream, stream, link
        self._model, self._idle_s, self._show_usage = model, idle_s, show_usage
        self._whole = False
        super().__init__(self.headers)

    async def _raw(self) -> AsyncIterator[bytes]:
        try:
            while True:
                async with asyncio.timeout(self._idle_s):
                    chunk = await anext(self._stream, None)
                if chunk is None:
                    break
                events = translated.events(chunk.model_dump(exclude_none=True), self._model, self._show_usage)
                if b'"finish_reason":"' in events and self._stream.received_finish_reason is None:
                    # litellm makes one up where the provider just stopped talking.
                    raise UpstreamFault("truncated", "The upstream ended its answer before it was complete.")
                if events:
                    yield events
            self._whole = True
            yield translated.DONE
        except self._upstream.errors as error:
            fault = self._upstream.broken(error)
            raise fault or UpstreamFault("error_object", "The upstream reported an error in its answer.") from error
        except TimeoutError as error:
            raise connection.fault(error) from error
        finally:
            await self.close()

    async def close(self) -> None:
        if not self._whole:
            self._link.cut()
        await self._stream.aclose()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
