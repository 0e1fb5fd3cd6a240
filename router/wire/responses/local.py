"""Tools that this dialect knows by their type and that run at the caller's: each as a function, and back.

`local_shell` runs one command, `shell` several, `apply_patch` changes one file.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from router.step import NULL
from router.wire.body import decode

_NUMBER = {"type": "integer"}
_LINES = {"type": "array", "items": {"type": "string"}}
_DIFF = (
    "What changes. For create_file: every line of the new file, each behind a +. For update_file: sections that begin "
    "with a line @@, behind which a line of the file above the change may tell the place; then lines that stay "
    "behind a space, lines to take out behind a -, lines to put in behind a +."
)


class Local(NamedTuple):
    function: dict[str, Any]
    """What models are offered."""
    member: str
    """The member of a call's item that says what to do."""
    decoder: msgspec.json.Decoder[Any]
    """Of a call's arguments."""
    nothing: Any
    """What is to be done where a model's words say nothing that can be."""


class _Command(msgspec.Struct):
    command: list[str]
    timeout_ms: int | None = None
    working_directory: str | None = None
    type: Literal["exec"] = "exec"
    env: dict[str, str] = msgspec.field(default_factory=dict)
    user: str | None = None


class _Commands(msgspec.Struct):
    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class _Operation(msgspec.Struct, omit_defaults=True):
    type: Literal["create_file", "update_file", "delete_file"]
    path: str
    diff: str | None = None


def _function(name: str, description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": description, "parameters": parameters}


LOCAL = {
    "local_shell": Local(
        _function(
            "local_shell",
            "Runs a command on the user's machine and returns what it printed.",
            ["command"],
            command={**_LINES, "description": "The program and its arguments."},
            working_directory={"type": "string"},
            timeout_ms=_NUMBER,
        ),
        "action",
        msgspec.json.Decoder(_Command),
        _Command([]),
    ),
    "shell": Local(
        _function(
            "shell",
            "Runs shell commands on the user's machine and returns what each printed.",
            ["commands"],
            commands={**_LINES, "description": "Each as one would type it."},
            timeout_ms=_NUMBER,
            max_output_length=_NUMBER,
        ),
        "action",
        msgspec.json.Decoder(_Commands),
        _Commands([]),
    ),
    "apply_patch": Local(
        _function(
            "apply_patch",
            "Creates, changes or deletes a file of the user's.",
            ["type", "path"],
            type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            path={"type": "string"},
            diff={"type": "string", "description": _DIFF},
        ),
        "operation",
        msgspec.json.Decoder(_Operation),
        _Operation("update_file", "", ""),
    ),
}


def asked(kind: str, arguments: str) -> dict[str, Any]:
    """The member of a call's item, by its name; one that does nothing where the arguments are none."""
    local = LOCAL[kind]
    try:
        return {local.member: local.decoder.decode(arguments)}
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {local.member: local.nothing}


class _Outcome(msgspec.Struct):
    type: str = "exit"
    exit_code: int | None = None


class _Ran(msgspec.Struct):
    stdout: str = ""
    stderr: str = ""
    outcome: _Outcome | None = None

    def told(self) -> str:
        how = self.outcome or _Outcome()
        end = "[timed out]" if how.type == "timeout" else f"[exit code {how.exit_code}]" if how.exit_code else ""
        return "\n".join(part for part in (self.stdout.rstrip("\n"), self.stderr.rstrip("\n"), end) if part)


_RAN = msgspec.json.Decoder(list[_Ran])
_TEXT = msgspec.json.Decoder(str | None)


def printed(output: msgspec.Raw, param: str) -> str:
    """What the commands of a `shell` printed, as a model reads it. Raises BadRequest."""
    return "\n".join(ran.told() for ran in decode(_RAN, output, param))


def patched(output: msgspec.Raw, status: str | None, param: str) -> str:
    """What became of an `apply_patch`. Raises BadRequest."""
    return (decode(_TEXT, output, param) if output != NULL else None) or status or "completed"
