"""Token counts as upstreams report them, in the ways of several providers, and an estimate where they do not."""

from __future__ import annotations

from typing import Any

import msgspec

BYTES_PER_TOKEN = 4.0
BODY_OVERHEAD = 400
"""Bytes of a chat.completion that are not text."""
BYTES_PER_CHUNK = 200.0
"""Bytes of a chat.completion.chunk with one token in it, as most servers send them."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer. Cached ones are among the prompt's, reasoning ones among the completion's."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


def from_wire(usage: Any) -> Usage | None:
    """A `usage` object; None where it counts nothing. DeepSeek's cache hits and flat details are known too."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if not prompt and not completion:
        return None
    read, written = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = _count(read, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens") or _count(usage, "cached_tokens")
    reasoning = _count(written, "reasoning_tokens") or _count(usage, "reasoning_tokens")
    return Usage(prompt, min(cached, prompt), completion, min(reasoning, completion))


def _count(of: Any, name: str) -> int:
    """A count that can be believed, else 0."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**10 else 0


def estimate_tokens(size: int, stream: bool) -> int:
    """Output tokens of an answer of `size` bytes on the wire: of its events where it was streamed, else of its body."""
    if size <= 0:
        return 0
    return max(1, round(size / BYTES_PER_CHUNK if stream else (size - BODY_OVERHEAD) / BYTES_PER_TOKEN))
