"""Token counts in every provider's way, and the estimate without them."""

from __future__ import annotations

from typing import Any

import pytest

from router.wire import usage
from router.wire.usage import Usage
from tests.wire.streams import USAGE


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (USAGE, Usage(9, 4, 5, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 5}, Usage(9, 0, 5, 0)),
        (
            {"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 3, "reasoning_tokens": 1},
            Usage(9, 3, 5, 1),
        ),
        ({"prompt_tokens": 9, "cached_tokens": 99, "completion_tokens": 5, "reasoning_tokens": 99}, Usage(9, 9, 5, 5)),
        ({"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, Usage(9, 0, 0, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": -9, "completion_tokens": True}, None),
        ({"prompt_tokens": 1e30, "completion_tokens": "5"}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_usage_is_read_with_doubt(said: Any, read: Usage | None) -> None:
    """Details are within their totals; what counts nothing, or cannot be, is no usage."""
    assert usage.from_wire(said) == read


def test_without_usage_tokens_are_estimated_from_bytes() -> None:
    """A body is mostly text, a stream mostly frames; an answer has at least one token, nothing has none."""
    assert usage.estimate_tokens(0, True) == usage.estimate_tokens(0, False) == 0
    assert usage.estimate_tokens(10, True) == usage.estimate_tokens(10, False) == 1
    assert usage.estimate_tokens(200 * 50, True) == 50
    assert usage.estimate_tokens(400 + 4 * 50, False) == 50
