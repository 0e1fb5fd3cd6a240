"""What tool calls and their results tell of a step: failures, spinning, exploring against producing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

NONE, SOFT, EXCEPTION, HARD = range(4)

_PHRASES: dict[str, dict[str, int]] = {
    "denied": {"permission denied": HARD, "access denied": HARD, "access is denied": HARD, "user denied": HARD},
    "not": {
        "not permitted": HARD,
        "not authorized": HARD,
        "not found": SOFT,
        "does not exist": SOFT,
        "nothing found": SOFT,
        "could not": SOFT,
        "cannot ": SOFT,
    },
    "time": {"timed out": HARD, "timeout:": HARD, "timeouterror": HARD, "timeoutexpired": HARD},
    "refused": {"connection refused": HARD, "refused to": HARD},
    "unauthorized": {"unauthorized": HARD},
    "forbidden": {"forbidden": HARD},
    "deadline": {"deadline exceeded": HARD},
    "rate limit": {"rate limit": HARD},
    "too many": {"too many requests": HARD},
    "user rejected": {"user rejected": HARD},
    "trace": {"traceback (most recent call last)": EXCEPTION, "stack trace": EXCEPTION},
    "panicked": {"panicked at": EXCEPTION},
    "segmentation": {"segmentation fault": EXCEPTION},
    "unhandled": {"unhandled exception": EXCEPTION},
    "core dumped": {"core dumped": EXCEPTION},
    "no ": {"no such file": SOFT, "no results": SOFT, "no matches": SOFT},
    "0 results": {"0 results": SOFT},
    "doesn't": {"doesn't exist": SOFT},
    "command failed": {"command failed": SOFT},
    "unable to": {"unable to": SOFT},
    "is_error": {'is_error": true': SOFT, 'is_error":true': SOFT},
    "success": {'success": false': SOFT, 'success":false': SOFT},
}
"""A word that is cheap to look for, and where it is found, the phrases with it and what they say."""
_RAISED = re.compile(r"(?:error|exception|fatal|panic)(?:\[[a-z0-9]+\])?:")
_TYPE = re.compile(r"\s*[a-z0-9_.]*")
_EXIT = re.compile(r"(?:exit(?:ed)?[ _]?(?:code|status|with code)|return ?code)\W{1,4}([0-9]{1,3})\b")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_READS = frozenset(
    "read get list search grep cat find view open ls glob fetch look lookup query show inspect check retrieve browse "
    "head tail describe status count info load scan stat".split()
)
_WRITES = frozenset(
    "write edit create apply patch delete run exec execute insert update replace remove bash shell submit send set put "
    "post move rename mkdir commit install build save add append make modify click type terminal command deploy book "
    "cancel buy order transfer pay".split()
)


def severity(text: str) -> int:
    """How badly a tool call went, from an excerpt of its result: the worst of NONE, SOFT, EXCEPTION and HARD found."""
    low = text.lower()
    worst = NONE
    for word, phrases in _PHRASES.items():
        if word in low:
            for phrase, level in phrases.items():
                if level > worst and phrase in low:
                    worst = level
    if worst < EXCEPTION and _raised(low):
        return EXCEPTION
    return SOFT if worst == NONE and _failed(low) else worst


def _raised(low: str) -> bool:
    """Whether a line begins with the name of an error: `ValueError:`, `error[E0308]:`, `fatal:`."""
    return any(_TYPE.fullmatch(low, low.rfind("\n", 0, m.start()) + 1, m.start()) for m in _RAISED.finditer(low))


def _failed(low: str) -> bool:
    """Whether a process is said to have ended with a code other than 0."""
    return ("exit" in low or "return" in low) and any(code.strip("0") for code in _EXIT.findall(low))


def repeated(calls: Sequence[tuple[str, bytes]]) -> int:
    """How often the last call, a name and its arguments, was made before."""
    return calls.count(calls[-1]) - 1 if calls else 0


def reads(names: Sequence[str]) -> float:
    """Share of reading calls among those that plainly read or write, 0..1; 0.5 where there is none."""
    known = [r for name in names if (r := _reading(name)) is not None]
    return sum(known) / len(known) if known else 0.5


@lru_cache(maxsize=1024)
def _reading(name: str) -> bool | None:
    """True for a tool that reads, False for one that writes, by the first word of its name that says so."""
    for word in _WORDS.findall(name[:128]):
        if word.lower() in _READS:
            return True
        if word.lower() in _WRITES:
            return False
    return None
