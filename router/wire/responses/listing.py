"""Items as they are listed: each whole, with a name and a status, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from router.errors import NotFound
from router.wire.body import refuse

MOST = 100
PAGE = 20

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def page(items: Sequence[msgspec.Raw], order: str, after: str | None, limit: int) -> dict[str, Any]:
    """Up to `limit` items behind the one called `after`, the newest first where `order` is `desc`.

    Raises BadRequest naming what is out of range, NotFound where there is no item called so.
    """
    if order not in ("asc", "desc"):
        refuse("order", "must be asc or desc")
    if not 1 <= limit <= MOST:
        refuse("limit", f"must be a whole number from 1 to {MOST}")
    shown = [_shown(raw) for raw in items]
    if order == "desc":
        shown.reverse()
    if after is not None:
        start = next((i + 1 for i, item in enumerate(shown) if item.get("id") == after), None)
        if start is None:
            raise NotFound(f"There is no item {after[:64]!r} in this response.", param="after", code="item_not_found")
        shown = shown[start:]
    data = shown[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0].get("id") if data else None,
        "last_id": data[-1].get("id") if data else None,
        "has_more": len(shown) > limit,
    }


def _shown(raw: msgspec.Raw) -> dict[str, Any]:
    item = {"status": "completed", **_OBJECT.decode(raw)}
    if item.get("type") == "message" and isinstance(item.get("content"), str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        more: dict[str, Any] = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
        item["content"] = [{"type": kind, "text": item["content"], **more}]
    return item
