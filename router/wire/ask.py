"""What a request says beside its messages: hints from all four ways, sessions, and which answers it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import msgspec

from router import hints
from router.hints import Hints
from router.outcome import Recall
from router.step import StepRequest

SESSIONS = ("x-session-id", "session-id", "session_id", "x-session-affinity", "x-claude-code-session-id")
"""Headers in which coding agents name their session; the run where no hint does."""


def read(request: StepRequest, headers: Mapping[str, str]) -> tuple[str, Hints]:
    """The model name without its query, and all hints. Raises BadRequest naming a bad one."""
    name, query = hints.split_model(request.model)
    said = hints.read(
        (
            ("model?", query),
            ("metadata.turnout.", hints.from_metadata(request.metadata)),
            ("x-turnout-", hints.from_headers(headers)),
            ("turnout.", request.hints or {}),
        )
    )
    if said.run_id is None and (named := _session(request, headers)) is not None:
        said = msgspec.structs.replace(said, run_id=named)
    return name, said


def _session(request: StepRequest, headers: Mapping[str, str]) -> str | None:
    """The first usable name of a session: in a header, or else the body's `prompt_cache_key`."""
    if (named := session(headers)) is not None:
        return named
    try:
        key = msgspec.json.decode(request.fields["prompt_cache_key"], type=str)
    except (KeyError, msgspec.DecodeError):
        return None
    return key if hints.IDENT.fullmatch(key) else None


def session(headers: Mapping[str, str]) -> str | None:
    """The session that a header names, so that it can be a run's id."""
    return next((headers[name] for name in SESSIONS if hints.IDENT.fullmatch(headers.get(name, ""))), None)


def refused(said: Hints, recall: Recall, headers: Mapping[str, str]) -> tuple[tuple[str, ...], int]:
    """The arms whose answers to this step the caller refuses by asking again, and how many more that nobody remembers.

    The same step sent again is a refusal of every answer that went out, and of those that a check rejected on the way.
    With `attempt=N` the caller counts by itself: it refuses what its first N - 1 requests brought. A client library's
    own resend (`x-stainless-retry-count`) only says that the last answer did not arrive.
    """
    answered = recall.answered
    if said.attempt is not None:
        earlier = said.attempt - 1
        return tuple(chain.from_iterable(answered[:earlier])), max(0, earlier - len(answered))
    arms = tuple(chain.from_iterable(answered))
    resent = recall.delivered and headers.get("x-stainless-retry-count", "0") != "0"
    return arms[:-1] if resent else arms, 0
