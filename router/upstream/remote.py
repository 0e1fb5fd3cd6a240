"""What a client library would fetch by itself: addresses in a request's content, which only an upstream may follow."""

from __future__ import annotations

import re
from typing import Any

ADDRESS = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
"""A URL of any scheme but the one that holds its data itself."""


def addresses(messages: Any) -> bool:
    """Whether a part of any content, texts aside, is or holds an address. `messages`: as they were decoded.

    litellm turns pictures, files and sounds into data for many providers, and fetches them for that from where this
    server stands: inside the network that it may reach.
    """
    return any(
        _holds(part)
        for message in messages or ()
        for part in (message["content"] if isinstance(message.get("content"), list) else ())
        if not isinstance(part, dict) or part.get("type") != "text"
    )


def _holds(value: Any) -> bool:
    if isinstance(value, str):
        return ADDRESS.match(value) is not None
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_holds, inside))
