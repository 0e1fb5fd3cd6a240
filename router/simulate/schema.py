"""A value for a small JSON schema, for answers that only have to be valid."""

from __future__ import annotations

from typing import Any


def instance(schema: Any, root: Any, depth: int = 0) -> Any:
    """A value that meets a small JSON schema: types, enum, const, anyOf, local $ref, minima. Deeper than 8: null."""
    if not isinstance(schema, dict) or depth > 8:
        return None
    if isinstance(ref := schema.get("$ref"), str):
        return instance(_follow(ref, root), root, depth + 1)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return instance(schema[name][0], root, depth + 1)
    kind = schema.get("type", "object")
    return _of_type(kind[0] if isinstance(kind, list) else kind, schema, root, depth)


def _of_type(kind: str, schema: dict[str, Any], root: Any, depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties") or {}
        return {
            name: instance(properties.get(name, {}), root, depth + 1)
            for name in dict.fromkeys([*properties, *schema.get("required", ())])
        }
    if kind == "array":
        return [
            instance(schema.get("items", {"type": "string"}), root, depth + 1)
            for _ in range(max(1, schema.get("minItems", 1)))
        ]
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("maximum", 1))
    if kind == "string":
        return "text".ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1000)]
    return {"boolean": True, "null": None}.get(kind)


def _follow(ref: str, root: Any) -> Any:
    """The part of the schema that `#/a/b` names, or None."""
    here = root
    for part in ref.removeprefix("#").split("/")[1:]:
        here = here.get(part) if isinstance(here, dict) else None
    return here
