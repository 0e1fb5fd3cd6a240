"""What upstreams say, right and wrong, as the packets that go over the wire."""

from __future__ import annotations

import gzip
import json


def http(
    body: bytes, status: str = "200 OK", kind: str = "application/json", *headers: str, length: int | None = None
) -> bytes:
    """A response with a content-length, right unless `length` says otherwise."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", *headers, f"content-length: {size}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*parts: bytes, kind: str = "text/event-stream", end: bool = True) -> list[bytes]:
    """The packets of a chunked response, one chunk each."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return [head, *(b"%x\r\n%s\r\n" % (len(part), part) for part in parts), *([b"0\r\n\r\n"] if end else [])]


def completion(text: str = "All is well.", **fields: object) -> bytes:
    """A whole chat completion."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return json.dumps(whole | {"usage": usage} | fields, ensure_ascii=False).encode()


def event(delta: dict[str, object] | None, finish: str | None = None, **fields: object) -> bytes:
    """One chunk of a streamed completion as an event; no choice at all where `delta` is None."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + json.dumps(whole | fields, ensure_ascii=False).encode() + b"\n\n"


ROLE = event({"role": "assistant", "content": ""})
WORDS = (event({"content": "All "}), event({"content": "is "}), event({"content": "well."}))
STOP = event({}, "stop")
USAGE = event(None, usage={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
DONE = b"data: [DONE]\n\n"
STREAM = (ROLE, *WORDS, STOP, USAGE, DONE)
EMOJI = event({"content": "well 👩‍🚀"})
HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
ERROR = b'{"error": {"message": "the engine died", "type": "server_error", "param": null, "code": null}}'
LISTED = b'{"object": "list", "data": [{"id": "nemotron", "object": "model"}, {"id": "qwen"}]}'
LARGE_BYTES = 3_000_000
BOMB_BYTES = 64_000_000
CRLF = tuple(part.replace(b"\n", b"\r\n") for part in STREAM)


def _split(data: bytes, at: int) -> list[bytes]:
    return [data[:at], data[at:]]


ANSWERS: dict[str, list[bytes]] = {
    "good": [http(completion())],
    "good-stream": chunked(*STREAM),
    "good-close": [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n" + completion()],
    "rate-limited": [http(ERROR, "429 Too Many Requests", "application/json", "retry-after: 7")],
    "bad-request": [http(ERROR, "400 Bad Request")],
    "unauthorized": [http(ERROR, "401 Unauthorized")],
    "html-500": [http(HTML, "500 Internal Server Error", "text/html")],
    "html-502": [http(HTML, "502 Bad Gateway", "text/html")],
    "html-200": [http(HTML, "200 OK", "text/html")],
    "invalid-json": [http(b'{"id": "chatcmpl-1", "choices": [{]}')],
    "error-200": [http(ERROR)],
    "error-stream": chunked(ROLE, b"data: " + ERROR + b"\n\n", DONE),
    "redirect": [http(b"", "307 Temporary Redirect", "text/plain", "location: http://127.0.0.1:1/elsewhere")],
    "cookie": [http(completion(), "200 OK", "application/json", "set-cookie: crumb=1; path=/")],
    "wrong-type": [http(b"".join(STREAM), "200 OK", "text/plain")],
    "empty-body": [http(b"")],
    "empty-choices": [http(completion(choices=[]))],
    "empty-content": [http(completion(""))],
    "empty-stream": chunked(ROLE, STOP, DONE),
    "no-finish": chunked(ROLE, *WORDS),
    "early-done": chunked(ROLE, WORDS[0], DONE),
    "after-done": chunked(*STREAM, event({"content": "ghost"})),
    "crlf": chunked(*CRLF),
    "multi-line": chunked(ROLE, WORDS[0].replace(b', "object"', b',\ndata: "object"'), *WORDS[1:], STOP, DONE),
    "comments": chunked(b": keep-alive\n\n", ROLE, b": keep-alive\n\n", *WORDS, b":\n\n", STOP, DONE),
    "one-packet": [b"".join(chunked(*STREAM))],
    "emoji-split": chunked(ROLE, *_split(EMOJI, EMOJI.index("🚀".encode()) + 2), STOP, DONE),
    "length-stream": [http(b"".join(STREAM), "200 OK", "text/event-stream; charset=utf-8")],
    "gzip": [http(gzip.compress(completion()), "200 OK", "application/json", "content-encoding: gzip")],
    "gzip-cut": [http(gzip.compress(completion())[:-12], "200 OK", "application/json", "content-encoding: gzip")],
    "gzip-lie": [http(completion(), "200 OK", "application/json", "content-encoding: gzip")],
    "brotli": [http(b"\x0b\x02\x80", "200 OK", "application/json", "content-encoding: br")],
    "not-http": [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    "long-header": [http(completion(), "200 OK", "application/json", "x-long: " + "y" * 100_000)],
}
"""Complete answers, packet by packet; the connection stays open unless the answer says otherwise."""
