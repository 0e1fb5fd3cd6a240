"""Items a page at a time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest, NotFound
from router.wire.responses import listing

ITEMS = [{"id": f"i{n}", "type": "message", "role": "user", "content": str(n)} for n in range(5)]


def page(items: list[dict[str, Any]] = ITEMS, order: str = "asc", after: str | None = None, limit: int = 2) -> Any:
    return listing.page([msgspec.Raw(json.dumps(item).encode()) for item in items], order, after, limit)


def names(got: dict[str, Any]) -> list[str]:
    return [item["id"] for item in got["data"]]


def test_pages_come_to_the_whole() -> None:
    """In either order, each page behind the last item of the one before."""
    for order, all_of_them in (("asc", ["i0", "i1", "i2", "i3", "i4"]), ("desc", ["i4", "i3", "i2", "i1", "i0"])):
        seen, after, more = [], None, True
        while more:
            got = page(order=order, after=after)
            seen += names(got)
            after, more = got["last_id"], got["has_more"]
            assert got["first_id"] == names(got)[0]
        assert seen == all_of_them


def test_an_empty_page() -> None:
    """Has no first and no last."""
    assert page([]) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_items_are_whole() -> None:
    """Text is made a part, and a status is there, as the SDK's types have them; other items stay as they are."""
    call = {"id": "c", "type": "function_call", "status": "incomplete"}
    said = {"id": "a", "type": "message", "role": "assistant", "content": "b"}
    user, assistant, other = page([ITEMS[0], said, call], limit=3)["data"]
    assert user["content"] == [{"type": "input_text", "text": "0"}] and user["status"] == "completed"
    assert assistant["content"][0] == {"type": "output_text", "text": "b", "annotations": [], "logprobs": []}
    assert other == call


def test_what_is_out_of_range_is_named() -> None:
    """Order, limit, and an item that is not there."""
    for param, asked in (("order", {"order": "up"}), ("limit", {"limit": 0}), ("limit", {"limit": 101})):
        with pytest.raises(BadRequest) as caught:
            page(**asked)
        assert caught.value.param == param
    with pytest.raises(NotFound):
        page(after="i9")
