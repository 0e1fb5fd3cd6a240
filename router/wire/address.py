"""A request's fields on their way upstream: the model by its name there, and nothing that is Turnout's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.hints import ENTRY

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def addressed(fields: Mapping[str, msgspec.Raw], model: str) -> dict[str, Any]:
    """The fields of a request that was read, for an upstream that knows the model as `model`; all in their places."""
    out: dict[str, Any] = {**fields, "model": model}
    out.pop("turnout", None)
    entries = _OBJECT.decode(fields["metadata"]) if "metadata" in fields else None
    if entries and (kept := {name: raw for name, raw in entries.items() if not name.startswith(ENTRY)}) != entries:
        out["metadata"] = kept
        if not kept:
            del out["metadata"]
    return out
