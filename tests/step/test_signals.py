"""What tool results and tool names tell."""

from __future__ import annotations

import pytest

from router.step import signals
from router.step.signals import EXCEPTION, HARD, NONE, SOFT

RESULTS = [
    ("42", NONE),
    ("", NONE),
    ("def handle(error):\n    raise ValueError('x')\n    return 0", NONE),
    ("tests passed, exit code: 0", NONE),
    ("retries on error, see docs: none", NONE),
    ("exit code 0\nreturn code: 0", NONE),
    ("grep: a.py: No such file or directory", SOFT),
    ("0 results", SOFT),
    ("Process exited with code 2", SOFT),
    ('{"returncode": 1, "output": ""}', SOFT),
    ("exit code 0\nexit code: 127", SOFT),
    ('{"is_error": true}', SOFT),
    ('{"success":false}', SOFT),
    ("Traceback (most recent call last):\n  File x", EXCEPTION),
    ("ok\n  ValueError: bad", EXCEPTION),
    ("java.lang.NullPointerException: x", EXCEPTION),
    ("error[E0308]: mismatched types", EXCEPTION),
    ("fatal: not a git repository", EXCEPTION),
    ("Error: ENOENT", EXCEPTION),
    ("thread 'main' panicked at src/main.rs", EXCEPTION),
    ("Segmentation fault (core dumped)", EXCEPTION),
    ("bash: ./x: Permission denied", HARD),
    ("Traceback (most recent call last):\nPermissionError: [Errno 13] Permission denied", HARD),
    ("Command timed out after 120 s", HARD),
    ("TimeoutError: x", HARD),
    ("HTTP 403 Forbidden", HARD),
    ("curl: (7) Connection refused", HARD),
    ("The user rejected this call: user rejected", HARD),
    ("429 Too Many Requests", HARD),
]


@pytest.mark.parametrize(("text", "severity"), RESULTS)
def test_severity(text: str, severity: int) -> None:
    """The worst that is told; a text that only speaks of errors, as code does, is none."""
    assert signals.severity(text) == severity


@pytest.mark.parametrize(
    ("names", "share"),
    [
        ([], 0.5),
        (["read_file", "getUser", "list-dir", "WebSearch", "HTTPGet", "fs.cat"], 1.0),
        (["write_file", "str_replace", "bash", "applyPatch", "run_tests", "sendEmail"], 0.0),
        (["read_file", "edit_file", "zzz", "x" * 10_000], 0.5),
    ],
)
def test_reads_against_writes(names: list[str], share: float) -> None:
    """By the first telling word of the name, in any way of writing names."""
    assert signals.reads(names) == share


def test_repeats_are_counted_before_the_last() -> None:
    """None without calls."""
    assert signals.repeated([]) == 0
    assert signals.repeated([("a", b"1"), ("b", b"1"), ("a", b"1")]) == 1
