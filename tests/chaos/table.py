"""Faults, what a caller sees of each, and what is recorded: what the tests play through and docs/reliability.md shows.

python -m tests.chaos.table        writes the tables into docs/reliability.md
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
IDLE_S = 0.4
"""The idle timeout of the tests."""


class Fault(NamedTuple):
    """One way to fail before anything of an answer has gone out. `does` names the behaviour in tests/faulty.py."""

    does: str
    what: str
    whole: tuple[str, int | None] | None
    """Fault and upstream status noted for an answer in one piece; None where it is no fault there."""
    streamed: tuple[str, int | None] | None

    def expected(self, stream: bool) -> tuple[str, int | None] | None:
        return self.streamed if stream else self.whole

    def told(self, stream: bool) -> tuple[int, str]:
        """Status and code where nobody else can answer."""
        if self.does == "rate-limited":
            return 429, "rate_limit_exceeded"
        if self.does == "dripped" or (self.does == "hang" and not stream):
            return 504, "deadline_exceeded"  # bytes come, or may yet come: only the deadline ends these
        return 502, "upstream_error"


def same(does: str, what: str, kind: str, status: int | None = None) -> Fault:
    return Fault(does, what, (kind, status), (kind, status))


def typed(does: str, what: str, kind: str) -> Fault:
    """A wrong body whose content type gives it away where a stream was asked for."""
    return Fault(does, what, (kind, None), ("content_type", None))


FAULTS = (
    same("rate-limited", "says 429", "rate_limited", 429),
    same("unauthorized", "refuses Turnout's key with 401 or 403", "auth", 401),
    same("html-500", "says 500 with a web page", "status", 500),
    same("html-502", "says 502 with a web page", "status", 502),
    same("redirect", "redirects", "redirect", 307),
    typed("html-200", "says 200 with a web page", "invalid_body"),
    typed("invalid-json", "sends JSON that is cut or wrong", "invalid_body"),
    typed("error-200", "says 200 with an error object", "error_object"),
    Fault("error-stream", "begins its stream with an error", ("invalid_body", None), ("error_object", None)),
    typed("wrong-type", "sends a stream called text/plain", "invalid_body"),
    typed("empty-body", "sends an empty body", "invalid_body"),
    typed("empty-choices", "sends no choices", "empty"),
    Fault("good-stream", "streams though not asked to", ("invalid_body", None), None),
    Fault("good", "does not stream though asked to", None, ("content_type", None)),
    typed("gzip-cut", "cuts compressed data short", "truncated"),
    typed("gzip-lie", "calls plain data compressed", "invalid_body"),
    typed("brotli", "compresses in a way nobody asked for", "invalid_body"),
    typed("gzip-bomb", "sends little that unpacks to a lot", "too_large"),
    typed("large", "sends more than `TURNOUT_MAX_ANSWER_BYTES`", "too_large"),
    Fault("large-chunked", "sends as much in chunks", ("too_large", None), ("truncated", None)),
    same("not-http", "speaks another protocol", "invalid_body"),
    same("long-header", "sends a header of 100 KB", "invalid_body"),
    same("bad-chunk", "breaks the rules of chunks", "invalid_body"),
    typed("truncated", "sends less than it announced", "truncated"),
    same("reset", "resets the connection", "reset"),
    same("hang-up", "closes the connection", "reset"),
    same("hang", "takes the request and is silent", "timeout"),
    typed("silent-body", "falls silent in its body", "timeout"),
    same("dripped", "sends its header byte by byte, for ever", "timeout"),
)


class Break(NamedTuple):
    """One way to fail after the first content has gone out."""

    does: str
    what: str
    kinds: tuple[str, ...]
    """The fault noted; more than one where the moment decides."""


BREAKS = (
    Break("no-finish", "ends without a finish reason", ("truncated",)),
    Break("early-done", "sends `[DONE]` without a finish reason", ("truncated",)),
    Break("close-mid", "closes the connection", ("truncated",)),
    Break("reset-mid", "resets the connection", ("truncated", "reset")),
    Break("bad-chunk-mid", "breaks the rules of chunks", ("invalid_body",)),
    Break("silent-mid", "falls silent for `TURNOUT_IDLE_TIMEOUT`", ("timeout",)),
    Break("error-mid", "sends an error", ("error_object",)),
)


class Situation(NamedTuple):
    """What else can come of a step. `name` is that of the test's act."""

    name: str
    what: str
    status: int
    code: str | None
    result: str
    faults: tuple[str, ...]
    """Of the attempts that are recorded."""
    waits: bool = False
    """Whether the answer says when to come back."""


SITUATIONS = (
    Situation(
        "mistake", "An upstream says that the request itself is wrong", 400, "invalid_request", "error", ("caller",)
    ),
    Situation("unreachable", "Nobody listens at the address", 502, "upstream_error", "error", ("connect",)),
    Situation("deaf", "The upstream takes no byte of the request", 504, "deadline_exceeded", "error", ("timeout",)),
    Situation("late", "The deadline passes, whatever upstreams do", 504, "deadline_exceeded", "error", ("timeout",)),
    Situation("limited", "All deployments are waiting out a 429", 429, "rate_limit_exceeded", "error", (), waits=True),
    Situation("broken", "All breakers are open", 503, "no_healthy_model", "error", (), waits=True),
    Situation(
        "overloaded", "All deployments have as many calls as they can serve", 503, "overloaded", "error", (), waits=True
    ),
    Situation("leaving", "The caller leaves", 499, None, "disconnected", ("cancelled",)),
    Situation(
        "stopping",
        "The server is stopped and waits no longer",
        503,
        "server_stopping",
        "disconnected",
        ("cancelled",),
        waits=True,
    ),
)


def tables() -> dict[str, str]:
    """Heading of a section of the page → its table."""
    return {
        "Before the first content": _rows(
            ("the upstream", "recorded, in one piece", "recorded, streamed", "if nobody else can answer"),
            [
                (f.what, _code(f.whole), _code(f.streamed), " or ".join(sorted({_told(f, s) for s in (False, True)})))
                for f in FAULTS
            ],
        ),
        "After the first content": _rows(
            ("the upstream", "recorded"), [(b.what, " or ".join(f"`{k}`" for k in b.kinds)) for b in BREAKS]
        ),
        "Whatever the upstreams do": _rows(
            ("what happens", "the caller sees", "`retry-after`", "recorded result", "attempts"),
            [
                (
                    s.what,
                    f"{s.status} `{s.code}`" if s.code else "-",
                    "yes" if s.waits else "-",
                    f"`{s.result}`" + (f", {s.status}" if s.code is None else ""),
                    ", ".join(f"`{f}`" for f in s.faults) or "none",
                )
                for s in SITUATIONS
            ],
        ),
    }


def _code(noted: tuple[str, int | None] | None) -> str:
    if noted is None:
        return "no fault"
    return f"`{noted[0]}`" + (f", status {noted[1]}" if noted[1] else "")


def _told(fault: Fault, stream: bool) -> str:
    status, code = fault.told(stream)
    return f"{status} `{code}`"


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)) + "\n"


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for heading, table in tables().items():
        page, found = re.subn(
            rf"(?m)^(## {heading}\n(?:(?!\||#).*\n)*)((?:\|.*\n)+)", lambda m, t=table: m[1] + t, page
        )  # type: ignore[misc]
        assert found == 1, f"{PAGE} has no table under '## {heading}'"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
