"""Names of responses and of the items in them. An item's name tells its response, so that it is found again."""

from __future__ import annotations

import re

_ITEM = re.compile(r"[a-z]{2,3}_([0-9a-f]{24})_(i?)[0-9]{1,5}")
RESPONSE = re.compile(r"resp_[0-9a-f]{24}")


def response(token: str) -> str:
    """`token`: 24 hexadecimal digits that nobody can guess."""
    return f"resp_{token}"


def output(prefix: str, response_id: str, index: int) -> str:
    """The name of an item of the answer."""
    return f"{prefix}_{response_id[5:]}_{index}"


def given(prefix: str, response_id: str, index: int) -> str:
    """The name of an item of the input that came without one."""
    return f"{prefix}_{response_id[5:]}_i{index}"


def response_of(item_id: str | None) -> str | None:
    """The response that an item is in; None for a name that was not made here."""
    found = _ITEM.fullmatch(item_id or "")
    return response(found[1]) if found else None


def is_given(item_id: str) -> bool:
    """Whether it names an item of an input."""
    found = _ITEM.fullmatch(item_id)
    return found is not None and found[2] == "i"
