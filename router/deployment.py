"""One place that serves a model: its address, what it costs, what it can do, and how it is told to think."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, HttpUrl, field_validator, model_validator

from router.yaml_file import Misplaced, Strict

NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}\Z")
"""Names of models, deployments, classes and benchmarks."""
HEADER = re.compile(r"^[a-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")
NOT_A_NAME = "is not a name: lower-case letters, digits, '.', '_' and '-', at most 64"

UNSTATED = 4096
"""Calls at once at an endpoint whose limit nobody has stated."""

Mode = Literal["on", "off", "low"]
Feature = Literal["tools", "schema", "logprobs"]
Thoughts = Literal["both", "reasoning", "reasoning_content", "none"]
SPELLED: dict[Thoughts, tuple[str, ...]] = {
    "both": ("reasoning", "reasoning_content"),
    "reasoning": ("reasoning",),
    "reasoning_content": ("reasoning_content",),
    "none": (),
}
"""The fields of an earlier answer that a server reads its thoughts from."""
OURS = frozenset(
    "authorization proxy-authorization api-key x-api-key x-goog-api-key cookie host connection keep-alive te trailer "
    "transfer-encoding upgrade expect content-length content-type content-encoding accept accept-encoding user-agent "
    "x-request-id".split()
)
"""Headers that never go on: a caller's keys and cookies, and those that belong to one connection or one body."""


class Prices(Strict):
    """USD per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    """Input tokens that the upstream's prompt cache already holds; the plain input price where not given."""

    def cost(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0.0) -> float:
        """USD of one answer; `cached_tokens` are those of the input that the prompt cache held."""
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = (input_tokens - cached_tokens) * self.input
        return (fresh + cached_tokens * cached_price + output_tokens * self.output) * 1e-6


class SelfHosted(Strict):
    """Own hardware, from which a price per token follows."""

    gpus: int = Field(gt=0)
    gpu_hour_usd: float = Field(gt=0)
    utilisation: float = Field(gt=0, le=1)
    """Share of the time in which the hardware does paid-for work."""
    throughput: float = Field(gt=0)
    """Output tokens per second of the whole deployment under full load."""
    prefill_ratio: float = Field(default=10.0, gt=0)
    """How many input tokens cost as much as one output token."""

    def prices(self) -> Prices:
        """USD per million tokens: GPU-seconds per token over utilisation."""
        output = self.gpus * self.gpu_hour_usd / 3600 / (self.throughput * self.utilisation) * 1e6
        return Prices(input=output / self.prefill_ratio, output=output)


class Deployment(Strict):
    """One place that serves a model."""

    name: str
    model: str
    """The model's id there."""
    base_url: HttpUrl | None = None
    """An OpenAI-compatible endpoint, up to and with `/v1`."""
    litellm_provider: str | None = None
    """litellm's provider prefix, for an endpoint that speaks another dialect."""
    api_base: HttpUrl | None = None
    """With `litellm_provider`: the provider's address, where it is not the usual one."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    """Name of the environment variable that holds the key; no key is sent without it."""
    headers: dict[str, str] = {}
    """Sent with each call, as they are."""
    forward_headers: tuple[str, ...] = ()
    """Names of the caller's headers that go on to this deployment."""
    prices: Prices | None = None
    self_hosted: SelfHosted | None = None
    runtime: str = "cuda"
    """One of the model's runtimes; scales its speed prior."""
    regions: frozenset[str] = frozenset()
    concurrency: int = Field(default=64, gt=0)
    """Requests in flight that it serves without queueing; where it is given, it never gets more."""
    context: int | None = Field(default=None, gt=0)
    """Tokens served here, where that is less than the model can hold."""
    extended: bool = False
    """Serves the extended context."""
    supports: frozenset[Feature] = frozenset({"tools", "schema", "logprobs"})
    thinking: dict[Mode, dict[str, Any]] = {}
    """Body parameters that select each mode here; a mode that is not listed is not offered."""

    dialects: dict[Literal["messages", "responses"], dict[Mode, dict[str, Any]]] = {}
    """Dialects beside chat completions that it speaks itself, and the body parameters that select each mode there. A
    caller's own bytes go there in the modes that are listed."""
    thoughts: Thoughts = "both"
    """Where it reads the thoughts of its own earlier answers; servers and their releases differ."""

    @field_validator("forward_headers")
    @classmethod
    def _forwarded(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower() for name in value)
        for i, name in enumerate(names):
            if not HEADER.match(name):
                raise Misplaced((i,), f"{name!r} is not the name of a header")
            if name in OURS or name.startswith(("x-turnout-", "x-stainless-")):
                raise Misplaced((i,), f"{name} is never passed on")
        return names

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not NAME.match(value):
            raise ValueError(f"{value!r} {NOT_A_NAME}")
        return value

    @field_validator("thinking")
    @classmethod
    def _json(cls, value: dict[Mode, dict[str, Any]]) -> dict[Mode, dict[str, Any]]:
        for mode, parameters in value.items():
            _writable((mode,), parameters)
        return value

    @field_validator("dialects")
    @classmethod
    def _spoken(cls, value: dict[str, dict[Mode, dict[str, Any]]]) -> dict[str, dict[Mode, dict[str, Any]]]:
        for dialect, modes in value.items():
            for mode, parameters in modes.items():
                _writable((dialect, mode), parameters)
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Deployment:
        if (self.base_url is None) == (self.litellm_provider is None):
            raise ValueError("give either base_url or litellm_provider")
        if self.dialects and self.base_url is None:
            raise Misplaced(("dialects",), "needs base_url: litellm takes chat completions alone")
        if (self.prices is None) == (self.self_hosted is None):
            raise ValueError("give either prices or self_hosted")
        if twice := {name.lower() for name in self.headers} & set(self.forward_headers):
            raise Misplaced(("forward_headers",), f"{min(twice)} is among headers already")
        return self

    @cached_property
    def most(self) -> int:
        """Calls at once that it may get: what is stated, else as many as it takes without refusing."""
        return self.concurrency if "concurrency" in self.model_fields_set else UNSTATED

    @cached_property
    def usd(self) -> Prices:
        """Prices per million tokens, stated or derived from own hardware."""
        if self.self_hosted is not None:
            return self.self_hosted.prices()
        assert self.prices is not None
        return self.prices

    @property
    def spelled(self) -> tuple[str, ...]:
        """The fields in which it reads thoughts."""
        return SPELLED[self.thoughts]

    @cached_property
    def url(self) -> str:
        """Base address without a slash at the end, or empty where litellm knows it."""
        return str(self.base_url or self.api_base or "").rstrip("/")


def _writable(where: tuple[str, ...], parameters: dict[str, Any]) -> None:
    """Raises Misplaced where they cannot go into a body."""
    try:
        json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misplaced(where, f"cannot be written as JSON: {error}") from None
