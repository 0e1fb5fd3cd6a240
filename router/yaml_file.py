"""Reads a YAML file that a person wrote into a typed model; every complaint carries its line."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from router.errors import ConfigError

MAX_BYTES = 1_000_000

Loc = tuple[int | str, ...]
"""A place in a file: keys and positions from the top."""


class Strict(BaseModel):
    """Base of everything read from a file: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        # Python takes `true` for 1, and a person who writes `retries: true` means something else.
        if (
            isinstance(value, bool)
            and info.field_name
            and not _takes_bool(cls.model_fields[info.field_name].annotation)
        ):
            raise ValueError("must not be true or false")
        return value


def _takes_bool(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_takes_bool(part) for part in typing.get_args(annotation))
    return annotation in (bool, Any)


class Misplaced(ValueError):
    """A validator's complaint about something below the model it validates, at `loc` counted from that model."""

    def __init__(self, loc: Loc, reason: str) -> None:
        super().__init__(reason)
        self.loc = loc


M = TypeVar("M", bound=Strict)

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Safe YAML without its traps: keys written twice, anchors and aliases, `on` and `off` as truth values."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # A few nested aliases unfold into gigabytes, and nothing here needs them.
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases (&name, *name) are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str):
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} is written twice", key.start_mark
                    )
                seen.add(name)
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a day that no month has, a number of 5,000 digits
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


# YAML 1.1 reads `on` and `off` as booleans; here they are the names of thinking modes.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != _BOOL]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read(path: Path, model: type[M]) -> M:
    """The file at `path` as a `model`. Raises ConfigError with file, line and reason."""
    return parse(read_bytes(path), str(path), model)


def read_bytes(path: Path) -> bytes:
    """The bytes at `path`, at most one more than MAX_BYTES. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), None, error.strerror or "cannot be read") from None


def parse(raw: bytes, name: str, model: type[M]) -> M:
    """The bytes `raw`, called `name` in messages, as a `model`. Raises ConfigError."""
    node, data = _load(raw, name)
    if node is None or data is None:
        raise ConfigError(name, 1, "is empty")
    if not isinstance(data, dict):
        raise ConfigError(name, 1, "must be a mapping of keys to values")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        every = error.errors(include_url=False, include_input=False)
        # A mistyped key is both unknown and missing; the unknown one is the one to look at.
        first = next((e for e in every if e["type"] == "extra_forbidden"), every[0])
        cause = first.get("ctx", {}).get("error")
        loc = first["loc"] + (cause.loc if isinstance(cause, Misplaced) else ())
        where = ".".join(str(part) for part in loc)
        unknown = first["type"] == "extra_forbidden"
        reason = "there is no such key here" if unknown else first["msg"].removeprefix("Value error, ")
        raise ConfigError(name, _line(node, loc), f"{where}: {reason}" if where else reason) from None


def line_of(raw: bytes, name: str, loc: Loc) -> int:
    """The line of the deepest part of `loc` that the file has. Raises ConfigError where it is not YAML."""
    node, _ = _load(raw, name)
    return _line(node, loc) if node is not None else 1


def _load(raw: bytes, name: str) -> tuple[yaml.Node | None, Any]:
    if len(raw) > MAX_BYTES:
        raise ConfigError(name, None, f"is over {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(name, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8") from None
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return node, loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(name, mark.line + 1 if mark else None, str(error.problem or error.context)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            name, line, f"has a character that a text file cannot hold: {chr(error.character)!r}"
        ) from None
    except RecursionError:
        raise ConfigError(name, None, "is nested too deeply") from None


def _line(node: yaml.Node, loc: Loc) -> int:
    """The line of the deepest part of `loc` that the file has."""
    line = int(node.start_mark.line) + 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if getattr(k, "value", None) == str(part)), None)
            if found is None:
                continue  # a union member's name, or a key that is missing
            line, node = int(found[0].start_mark.line) + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = int(node.start_mark.line) + 1
    return line


def edit(text: str, changes: Mapping[Loc, str]) -> str:
    """`text` with the values at the given places replaced by new YAML, everything else untouched, comments included.

    A last key that is missing is added to its mapping. Raises KeyError for a place that is not in the file.
    """
    root = yaml.compose(text, _Loader)
    cuts = [_cut(root, loc, new) for loc, new in changes.items()]
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _cut(root: yaml.Node | None, loc: Loc, new: str) -> tuple[int, int, str]:
    """Where in the text to put what: (start, end, replacement)."""
    node = root
    for depth, part in enumerate(loc):
        inside = _child(node, part)
        if inside is None:
            if depth == len(loc) - 1 and isinstance(node, yaml.MappingNode) and node.value:
                last_key, last = node.value[-1]
                gap = ", " if node.flow_style else "\n" + " " * last_key.start_mark.column
                return last.end_mark.index, last.end_mark.index, f"{gap}{part}: {new}"
            raise KeyError(loc)
        node = inside
    assert node is not None
    return node.start_mark.index, _end(node), new


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((v for k, v in node.value if getattr(k, "value", None) == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return typing.cast(Sequence[yaml.Node], node.value)[part]
    return None


def _end(node: yaml.Node) -> int:
    """Where the node's own text ends: a block's mark lies beyond the comments after it, its last value's does not."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return int(node.end_mark.index)


def dump(data: Mapping[str, Any]) -> str:
    """Data as a file that a person can read, keys in their order."""
    out: str = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return out
