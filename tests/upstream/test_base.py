"""The reply that is all there already."""

from __future__ import annotations

import pytest

from router.errors import UpstreamFault
from router.upstream.base import Ready


async def test_a_ready_reply_is_read_like_any_other() -> None:
    """Whole up to its limit, or as one piece; an empty body has no piece."""
    reply = Ready(418, {"x": "y"}, b"tea")
    assert (reply.status, reply.headers, await reply.read(3)) == (418, {"x": "y"}, b"tea")
    assert [piece async for piece in reply.chunks()] == [b"tea"]
    assert [piece async for piece in Ready(200, {}, b"").chunks()] == []
    with pytest.raises(UpstreamFault) as caught:
        await reply.read(2)
    assert caught.value.kind == "too_large"
    await reply.close()
