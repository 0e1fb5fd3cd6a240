"""An upstream's refusal: whose fault it is, and what of it a caller may see."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from router.errors import CallerFault, UpstreamFault
from router.wire import fault

SECRET = b'{"error": {"message": "key sk-secret is over its quota", "code": "x", "param": "y"}}'
KINDS = [
    (429, "rate_limited", 429),
    (401, "auth", 502),
    (403, "auth", 502),
    (301, "redirect", 502),
    (308, "redirect", 502),
    (402, "status", 502),
    (404, "status", 502),
    (418, "status", 502),
    (500, "status", 502),
    (503, "status", 502),
    (204, "status", 502),
]


@pytest.mark.parametrize(("status", "kind", "seen"), KINDS)
def test_what_is_not_the_callers_fault_is_not_told_in_the_upstreams_words(status: int, kind: str, seen: int) -> None:
    """They may name the operator's account; another deployment may be tried."""
    error = fault.from_reply(status, {}, SECRET)
    assert isinstance(error, UpstreamFault)
    assert (error.kind, error.status, error.upstream_status) == (kind, seen, status)
    assert "secret" not in str(error.body())


@pytest.mark.parametrize(("status", "kept"), [(429, 7.0), (503, 7.0), (500, 7.0), (401, None), (307, None)])
def test_retry_after_is_kept_where_waiting_helps(status: int, kept: float | None) -> None:
    """A refused key or a redirect does not mend by itself."""
    assert fault.from_reply(status, {"retry-after": "7"}, b"").retry_after == kept


OVERFLOWS = [
    "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens",
    "the request exceeds the available context size (4096 tokens), try increasing it",
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Range of input length should be [1, 30720]",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "prompt is too long: 208310 tokens > 200000 maximum",
]
ELSEWHERE = [
    *OVERFLOWS,
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    "At most 0 image(s) may be provided in one request.",
    "nemotron is not a multimodal model",
    "image input is not supported - hint: you may need to provide the mmproj",
    "Unrecognized request argument supplied: reasoning_effort",
    "Unsupported parameter: 'temperature'",
    "unknown field `top_logprobs`",
    "[{'type': 'extra_forbidden', 'loc': ('body', 'x'), 'msg': 'Extra inputs are not permitted'}]",
    "logprobs are not supported with this model",
]


@pytest.mark.parametrize("message", ELSEWHERE)
def test_what_one_model_cannot_do_another_may(message: str) -> None:
    """Context length, modality and unknown parameters, in the words of several servers; told as a 400 if nobody can."""
    error = fault.from_reply(400, {}, b'{"error": {"message": "%s"}}' % message.encode())
    assert isinstance(error, UpstreamFault)
    assert (error.kind, error.status) == ("unsupported", 400)
    # The word that makes agents shorten their context is kept for what is cured by that.
    assert error.code == ("context_length_exceeded" if message in OVERFLOWS else "unsupported_by_model")
    assert error.message == message


def test_a_full_context_keeps_its_code() -> None:
    """By code alone too, whatever the words."""
    error = fault.from_reply(
        400, {}, b'{"error": {"message": "Zu lang", "code": "context_length_exceeded", "param": "messages"}}'
    )
    assert isinstance(error, UpstreamFault)
    assert (error.kind, error.code, error.param) == ("unsupported", "context_length_exceeded", "messages")


CALLERS = [
    "Invalid value for 'functions': the name image_search is taken",
    "Unable to decode image: invalid base64",
    "you must provide a messages parameter",
    "temperature must be between 0 and 2",
    "Conversation roles must alternate user/assistant",
]


@pytest.mark.parametrize("message", CALLERS)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_callers_mistake_is_told_in_the_upstreams_words(status: int, message: str) -> None:
    """Once, with its status, code and field: no other model would take it."""
    body = b'{"error": {"message": "%s", "code": "bad_value", "param": "messages[0]"}}' % message.encode()
    error = fault.from_reply(status, {}, body)
    assert isinstance(error, CallerFault)
    assert (error.status, error.code, error.param, error.message) == (status, "bad_value", "messages[0]", message)


DEFAULT = "The upstream refused the request as invalid."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "m", "code": 400, "param": {"a": 1}}}', "m"),
        (b'{"object": "error", "message": "m", "code": null}', "m"),
        (b'{"error": "m"}', "m"),
        (b'{"detail": "m"}', "m"),
        (b'{"detail": [{"loc": ["body"], "msg": "m"}]}', '[{"loc":["body"],"msg":"m"}]'),
        (b'{"error": {"detail": "m"}}', "m"),
        (b'{"error": {"message": null}}', DEFAULT),
        (b'{"error": {"message": ""}}', DEFAULT),
        (b'{"error": {"message": []}}', DEFAULT),
        (b'{"error": 7}', DEFAULT),
        (b'{"error": null}', DEFAULT),
        (b"{}", DEFAULT),
        (b"[1]", DEFAULT),
        (b"", DEFAULT),
        (b"<html>Bad Request</html>", DEFAULT),
        (b'{"error": {"message": "cut o', DEFAULT),
        (b'{"error": {"message": "\xff\xfe"}}', DEFAULT),
        (b"[" * 100_000, DEFAULT),
    ],
)
def test_any_form_of_error_body_is_understood_or_replaced(body: bytes, message: str) -> None:
    """OpenAI's, vLLM's flat one, FastAPI's, and none at all; never a traceback, nor a code that is no text."""
    error = fault.from_reply(400, {}, body)
    assert isinstance(error, CallerFault)
    assert (error.message, error.code, error.param) == (message, "invalid_request", None)


def test_a_long_message_is_cut() -> None:
    """An upstream that repeats the whole prompt."""
    body = b'{"error": {"message": "%s"}}' % (b"x" * 5000)
    assert len(fault.from_reply(400, {}, body).message) == fault.MAX_MESSAGE


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("999999999", 999_999_999.0),
        ("-1", None),
        ("1e9", None),
        ("\u0663", None),
        ("nan", None),
        ("soon", None),
        ("9" * 400, None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Mon, 32 Jan 2024 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    """Never negative, and nothing that cannot be read as either raises."""
    assert fault.retry_after(text, lambda: NOW) == seconds


@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_an_event_stream_may_be_relayed(kind: str) -> None:
    """Whatever its parameters and case."""
    fault.check_stream_type({"content-type": kind})


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}, {"content-type": "text/html"}])
def test_anything_else_is_no_stream(headers: dict[str, str]) -> None:
    """A proxy's error page with status 200 must not reach a client as events."""
    with pytest.raises(UpstreamFault) as caught:
        fault.check_stream_type(headers)
    assert caught.value.kind == "content_type"
