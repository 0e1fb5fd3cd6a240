"""A value for a small schema."""

from __future__ import annotations

import pytest

from router.simulate.schema import instance


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a", "b"]},
            {"a": 3, "b": {}},
        ),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 5}, 5),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["string", "null"], "minLength": 6}, "textxx"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, 1),
        ({"$ref": "#/nowhere"}, None),
        (True, None),
    ],
)
def test_schemas_get_a_value(schema: object, value: object) -> None:
    """A small value that meets the schema, deterministically."""
    assert instance(schema, schema) == value


def test_endless_schemas_end() -> None:
    """A schema that refers to itself stops at a fixed depth."""
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert "next" in instance(schema, schema)
