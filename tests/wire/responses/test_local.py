"""Tools that run at the caller's."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.wire.responses import local

ASKED: list[tuple[str, str, dict[str, Any]]] = [
    (
        "local_shell",
        '{"command":["ls","-l"],"working_directory":"/"}',
        {
            "type": "exec",
            "command": ["ls", "-l"],
            "env": {},
            "timeout_ms": None,
            "user": None,
            "working_directory": "/",
        },
    ),
    ("shell", '{"commands":["ls"],"timeout_ms":5}', {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None}),
    ("apply_patch", '{"type":"delete_file","path":"a"}', {"type": "delete_file", "path": "a"}),
    (
        "apply_patch",
        '{"type":"create_file","path":"a","diff":"+b"}',
        {"type": "create_file", "path": "a", "diff": "+b"},
    ),
]


@pytest.mark.parametrize(("kind", "arguments", "meant"), ASKED)
def test_what_is_asked(kind: str, arguments: str, meant: dict[str, Any]) -> None:
    """As the caller's library takes it; written so by a model, it comes back the same."""
    made = json.loads(msgspec.json.encode(local.asked(kind, arguments)))
    assert made == {local.LOCAL[kind].member: meant}
    assert json.loads(msgspec.json.encode(local.asked(kind, json.dumps(meant)))) == made


@pytest.mark.parametrize("arguments", ["", "rm -rf /", "{}", '{"command":"ls"}', '{"commands":[7]}', '{"type":"x"}'])
def test_what_is_no_request_does_nothing(arguments: str) -> None:
    """No command runs and no file is named."""
    for kind, nothing in (("local_shell", "command"), ("shell", "commands"), ("apply_patch", "path")):
        (made,) = json.loads(msgspec.json.encode(local.asked(kind, arguments))).values()
        assert not made[nothing]


def printed(*ran: Any) -> str:
    return local.printed(msgspec.Raw(json.dumps(ran).encode()), "input[0].output")


def test_what_commands_print() -> None:
    """Both streams, and how a command ended where it did not end well."""
    fine = {"stdout": "a\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
    wrong = {"stdout": "", "stderr": "no\n", "outcome": {"type": "exit", "exit_code": 2}}
    assert printed(fine, wrong) == "a\nno\n[exit code 2]"
    assert printed({"stdout": "b", "outcome": {"type": "timeout"}}, {"stdout": "c"}) == "b\n[timed out]\nc"
    with pytest.raises(BadRequest):
        printed("a")


def test_what_became_of_a_patch() -> None:
    """What is said of it, or else its status."""
    assert local.patched(msgspec.Raw(b'"done"'), "completed", "p") == "done"
    assert local.patched(msgspec.Raw(b"null"), "failed", "p") == "failed"
    assert local.patched(msgspec.Raw(b'""'), None, "p") == "completed"
    with pytest.raises(BadRequest):
        local.patched(msgspec.Raw(b"7"), None, "p")
