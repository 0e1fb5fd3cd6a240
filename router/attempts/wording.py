"""How a step is put to one deployment: as a chat completion, or in the words in which the caller put it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.plan import Candidate
from router.settings import Settings
from router.step import StepRequest
from router.trace import PARENT, STATE
from router.upstream.base import Call
from router.wire import chat
from router.wire.anthropic import native as messages
from router.wire.responses import native as responses

MESSAGES, RESPONSES = "/messages", "/responses"
"""Paths at which other dialects are spoken."""
VERSION = ("anthropic-version", "2023-06-01")
"""Without it Anthropic's own servers, and some others, refuse."""
OURS = frozenset({PARENT, STATE})
Headers = tuple[tuple[str, str], ...]
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""A header's value."""


def worded(
    request: StepRequest, candidate: Candidate, headers: Mapping[str, str], settings: Settings, told: Headers = ()
) -> Call:
    """The call. `headers`: the caller's, of which the catalog may let some pass; `told`: of the trace."""
    deployment = candidate.deployment
    passed = forwarded(headers, deployment.forward_headers) if deployment.forward_headers else ()
    timeouts = settings.connect_timeout, settings.idle_timeout
    if (parameters := natively(request, candidate)) is not None and request.native is not None:
        said, known = request.native, (deployment.model, candidate.mode, parameters)
        if said.dialect == "responses":
            return Call(
                deployment, responses.render(said.body, *known), request.stream, *timeouts, passed, RESPONSES, told
            )
        body = messages.render(said.body, *known)
        return Call(deployment, body, request.stream, *timeouts, (*passed, VERSION), MESSAGES, told)
    spelled = deployment.spelled if request.author == candidate.model else ()
    body = chat.render(request, deployment.model, deployment.thinking.get(candidate.mode), spelled)
    return Call(deployment, body, request.stream, *timeouts, passed, trace=told)


def natively(request: StepRequest, candidate: Candidate) -> Mapping[str, Any] | None:
    """The parameters with which the caller's own bytes are sent; None where they cannot be.

    The deployment must speak the dialect, in the arm's mode; nobody is handed another model's thoughts, and no thoughts
    come to a caller that does not expect them.
    """
    said, dialects = request.native, candidate.deployment.dialects
    if said is None or not dialects:
        return None
    parameters = dialects.get(said.dialect, {}).get(candidate.mode)
    foreign = request.thoughts and request.author != candidate.model
    if parameters is None or foreign or (candidate.mode != "off" and not said.thinks):
        return None
    return parameters


def forwarded(headers: Mapping[str, str], names: tuple[str, ...]) -> Headers:
    """Those of the caller's headers that a deployment gets; one that would not stay one line is left here, and what is
    said of the trace is said by us."""
    given = ((name, headers[name]) for name in names if name in headers and name not in OURS)
    return tuple((name, value) for name, value in given if _VALUE.fullmatch(value))
