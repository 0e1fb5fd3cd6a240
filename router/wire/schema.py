"""JSON Schema: compiled once, bounded in what a hostile schema can cost, never fetching anything."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import msgspec

MAX_EXPANDED = 100_000
"""Subschemas that one validation may come by, every reference followed each time; 20 doublings are a million."""
BACKTRACKS = 20_000
"""Steps that a pattern with look-around or back-references may take. All others are matched in linear time."""
PATTERN_SIZE = 1_048_576
"""Bytes that a compiled pattern may have."""
_CACHED = 65_536
"""Bytes of a schema that is remembered."""
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_OPTIONS = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=BACKTRACKS, size_limit=PATTERN_SIZE, dfa_size_limit=PATTERN_SIZE
)
_GAVE_UP = (
    jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded,
    jsonschema_rs.ValidationErrorKind.RegexEngineFailure,
)

Schema = jsonschema_rs.Validator


def compiled(text: bytes) -> Schema | None:
    """A validator, or None where the schema is invalid, refers to what it does not contain, or would cost too much."""
    return _compiled(text) if len(text) <= _CACHED else _compiled.__wrapped__(text)


@lru_cache(maxsize=128)
def _compiled(text: bytes) -> Schema | None:
    try:
        schema = msgspec.json.decode(text)
        if _Expansion(schema).size(schema) > MAX_EXPANDED:
            return None
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=_OPTIONS)
    except (ValueError, LookupError, RecursionError, jsonschema_rs.ReferencingError):
        return None


def violation(schema: Schema, value: Any) -> str | None:
    """Which rule `value` breaks, in the schema's words and never the value's; None where it meets the schema.

    A pattern that gives up before it knows counts as met.
    """
    try:
        schema.validate(value)
    except jsonschema_rs.ValidationError as error:
        if isinstance(error.kind, _GAVE_UP):
            return None
        path = "/".join(str(step) for step in error.schema_path)
        return f"breaks the schema at /{path[:200]}"
    except ValueError:  # nested deeper than the validator goes
        return "is nested too deeply"
    return None


class _Expansion:
    """Counts subschemas as a validator meets them. A reference back to an open one is free: validators remember it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[str, int] = {}

    def size(self, node: Any) -> int:
        """Raises LookupError where a reference does not lead, by its path, to a place in the schema."""
        if isinstance(node, list):
            return 1 + sum(self.size(part) for part in node)
        if not isinstance(node, dict):
            return 0
        if isinstance(node.get("$id"), str) and node is not self._root:
            raise LookupError("a schema of its own inside another: references in it start elsewhere")
        return 1 + sum(
            self._reference(part) if name in _REFERENCES and isinstance(part, str) else self.size(part)
            for name, part in node.items()
        )

    def _reference(self, target: str) -> int:
        if target not in self._known:
            self._known[target] = 0
            self._known[target] = self.size(self._find(target))
        return self._known[target]

    def _find(self, target: str) -> Any:
        head, *steps = unquote(target).split("/")
        if head != "#":
            raise LookupError("elsewhere, or an anchor")
        node = self._root
        for step in steps:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict | list):
                raise LookupError("leads nowhere")
            node = node[int(name)] if isinstance(node, list) else node[name]
        return node
