"""JSON Schema at the hands of strangers: nothing is fetched, nothing takes long, nothing of the value leaks."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from router.wire import schema


def compiled(value: Any) -> schema.Schema | None:
    return schema.compiled(json.dumps(value).encode())


def doubling(times: int) -> dict[str, Any]:
    links = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(times)}
    return {"$ref": "#/$defs/a0", "$defs": {**links, f"a{times}": {"type": "integer"}}}


UNUSABLE: list[Any] = [
    3,
    [],
    {"type": "strin"},
    {"pattern": "("},
    {"pattern": "(a{1000}){1000}"},
    {"$ref": "http://127.0.0.1:1/x"},
    {"$ref": "file:///etc/hostname"},
    {"$ref": "#/$defs/missing"},
    {"$ref": "#/type/a", "type": "object"},
    {"$ref": "#/allOf/7", "allOf": [{}]},
    {"$ref": "#/allOf/x", "allOf": [{}]},
    {"$ref": "#name", "$defs": {"a": {"$anchor": "name"}}},
    {"$schema": "http://127.0.0.1:1/own"},
    {"$defs": {"a": {"$id": "http://x/", "$ref": "#/$defs/b"}}},
    doubling(30),
    doubling(900),
]


@pytest.mark.parametrize("value", UNUSABLE)
def test_schemas_that_cannot_be_used_are_told(value: Any) -> None:
    """Invalid, pointing elsewhere, or exploding: none is compiled, and telling so is quick."""
    began = time.process_time()
    assert compiled(value) is None
    assert time.process_time() - began < 2.0


def test_what_is_no_json_is_no_schema() -> None:
    """Bytes of any kind, and nesting of any depth."""
    assert schema.compiled(b"{") is None
    assert schema.compiled(b'{"items":' * 5000 + b"{}" + b"}" * 5000) is None


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {"node": {"type": "object", "properties": {"l": {"$ref": "#/$defs/node"}, "r": {"$ref": "#/$defs/node"}}}},
}
WORKS: list[tuple[Any, Any, str | None]] = [
    ({"type": "integer"}, 1, None),
    ({"type": "integer"}, "1", "breaks the schema at /type"),
    (
        {"properties": {"a": {"items": {"type": "integer"}}}},
        {"a": ["secret"]},
        "breaks the schema at /properties/a/items/type",
    ),
    ({"additionalProperties": False}, {"secret": 1}, "breaks the schema at /additionalProperties"),
    ({"enum": ["a"]}, "secret", "breaks the schema at /enum"),
    (TREE, {"l": {"r": {"l": {}}}}, None),
    (TREE, {"l": {"r": 1}}, "breaks the schema at /$ref/properties/l/$ref/properties/r/$ref/type"),
    ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "string"}}}, "x", None),
    ({"$ref": "#/allOf/0/items", "allOf": [{"items": {"type": "array"}}]}, [], None),
    ({"properties": {"$ref": {"type": "string"}, "$id": {}}}, {"$ref": "x"}, None),
    ({"items": {"$ref": "#"}, "type": "array"}, [[], [[]]], None),
    (doubling(10), 3, None),
    ({"description": "x" * 70_000, "type": "string"}, "x", None),
    ({"pattern": "^(a+)+$"}, "a" * 50 + "!", "breaks the schema at /pattern"),
    ({"pattern": r"(?=a)(a*)*\1$"}, "a" * 4000 + "!", None),
]


@pytest.mark.parametrize(("value", "instance", "says"), WORKS)
def test_values_are_judged_in_the_schemas_words(value: Any, instance: Any, says: str | None) -> None:
    """References inside the schema work; patterns that blow up end early and accuse nobody."""
    validator = compiled(value)
    assert validator is not None
    began = time.process_time()
    said = schema.violation(validator, instance)
    assert time.process_time() - began < 1.0
    assert said == says or (
        said is not None and says is not None and said.startswith("breaks") and "secret" not in said
    )


def test_a_value_nested_past_the_validator_is_a_violation() -> None:
    """Never an error of Turnout's own."""
    value: Any = 1
    for _ in range(900):
        value = [value]
    validator = compiled({"type": "string"})
    assert validator is not None
    assert schema.violation(validator, value) == "is nested too deeply"


def test_the_same_schema_is_compiled_once() -> None:
    """An agent sends the same one with every step."""
    assert compiled({"type": "null"}) is compiled({"type": "null"})
