"""Texts and pictures in an item."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.wire.responses import content
from router.wire.responses.content import Content


def read(value: Any) -> Content:
    return content.read(msgspec.Raw(json.dumps(value).encode()), "input[0].content")


def image(detail: str | None = None) -> dict[str, Any]:
    return {"type": "input_image", "image_url": "https://a/b.png"} | ({"detail": detail} if detail else {})


def test_a_text_is_a_text() -> None:
    """By itself or as the only part; several stay apart."""
    assert read("Hi.").chat() == read([{"type": "input_text", "text": "Hi."}]).chat() == "Hi."
    two = read([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}])
    assert two.text("|") == "a|b"
    assert two.chat() == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read([{"type": "refusal", "refusal": "No."}]).text("") == "No."
    assert read([]).text("") == ""


@pytest.mark.parametrize(("detail", "sent"), [(None, {}), ("low", {"detail": "low"}), ("original", {"detail": "high"})])
def test_a_picture_is_a_picture(detail: str | None, sent: dict[str, str]) -> None:
    """Its URL goes on and is never fetched."""
    read_ = read([{"type": "input_text", "text": "See:"}, image(detail)])
    picture = {"type": "image_url", "image_url": {"url": "https://a/b.png", **sent}}
    assert read_.chat() == [{"type": "text", "text": "See:"}, picture]
    assert read_.images == [picture] and read_.text("") == "See:"


REFUSED: list[tuple[Any, str, str]] = [
    (7, "", "must be a string or a list"),
    (None, "", "must be a string or a list"),
    ([7], "[0]", "must be an object"),
    ([{"type": "input_text"}], "[0]", "lacks text"),
    ([{"type": "refusal", "text": "x"}], "[0]", "lacks refusal"),
    ([{"type": "input_text", "text": "x"}, {"type": "input_file", "file_id": "f"}], "[1].type", "files are not read"),
    ([{"type": "input_image", "file_id": "f"}], "[0].image_url", "uploaded files are not kept"),
    ([image("huge")], "[0].detail", "must be one of"),
    ([{"type": "image_url", "image_url": {"url": "https://a/b.png"}}], "[0].type", "not 'image_url'"),
    ([{"type": "input_audio"}], "[0].type", "must be input_text"),
]


@pytest.mark.parametrize(("value", "where", "words"), REFUSED)
def test_what_cannot_be_read_is_refused(value: Any, where: str, words: str) -> None:
    """By the name of the part, with what would do."""
    with pytest.raises(BadRequest, match=words) as caught:
        read(value)
    assert caught.value.param == f"input[0].content{where}"


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), ("a", ""), ([7, {"text": "a"}, {"text": 7}, {"text": "b"}], "a\n\nb")]
)
def test_any_text_there_is(value: Any, text: str) -> None:
    """For what needs not be understood."""
    assert content.lenient(msgspec.Raw(json.dumps(value).encode())) == text
