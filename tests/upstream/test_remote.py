"""Addresses in contents, which nobody here may follow."""

from __future__ import annotations

from typing import Any

import pytest

from router.upstream.remote import addresses


def picture(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    "part",
    [
        picture("http://10.0.0.1/x"),
        picture("HTTPS://example.com/x.png"),
        picture(" http://10.0.0.1"),
        {"type": "image_url", "image_url": "gs://bucket/x"},
        {"type": "file", "file": {"file_id": "file:///etc/passwd"}},
        {"type": "video_url", "video_url": {"more": [{"url": "ftp://10.0.0.1/x"}]}},
        "http://10.0.0.1/x",
    ],
)
def test_an_address_is_found(part: Any) -> None:
    """In any kind of part, however deep, in whatever spelling."""
    text = {"type": "text", "text": "See."}
    assert addresses([{"role": "user", "content": "hi"}, {"role": "user", "content": [text, part]}])


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        [{"role": "user", "content": "http://10.0.0.1/x"}],
        [{"role": "assistant", "content": None, "tool_calls": [{"url": "http://10.0.0.1"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "http://10.0.0.1/x"}]}],
        [{"role": "user", "content": [picture("data:image/png;base64,AAAA"), picture(7), picture("DATA:,x")]}],
    ],
)
def test_text_and_data_are_none(messages: Any) -> None:
    """What a model is told of an address is told, not followed."""
    assert not addresses(messages)
