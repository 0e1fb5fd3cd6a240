"""`GET /v1/models`: what a caller may name as `model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from router.catalog import Model
from router.config import Config
from router.errors import NotFound


def routes(config: Callable[[], Config]) -> APIRouter:
    router = APIRouter(prefix="/v1/models", tags=["models"])

    @router.get("", summary="List the models")
    def models() -> dict[str, Any]:
        """`auto`, one `auto:<policy>` for each policy, and every model of the catalog."""
        return {"object": "list", "data": listing(config())}

    @router.get("/{name:path}", summary="One model")
    def model(name: str) -> dict[str, Any]:
        """The entry of one name of the list. 404 `model_not_found` for any other."""
        entries = {entry["id"]: entry for entry in listing(config())}
        if name not in entries:
            raise NotFound(
                f"The model {name[:128]!r} does not exist. Models are: {', '.join(entries)}.",
                param="model",
                code="model_not_found",
            )
        return entries[name]

    return router


def listing(config: Config) -> list[dict[str, Any]]:
    """OpenAI model objects, with Turnout's own facts beside them under `turnout`."""
    entries = [_entry("auto", "turnout", {"policy": config.default})]
    entries += [
        _entry(f"auto:{name}", "turnout", {"policy": name, "description": p.description})
        for name, p in config.policies.items()
    ]
    entries += [_entry(m.name, m.maker, _facts(m)) for m in config.catalog.models.values()]
    return entries


def _entry(name: str, owner: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner, "turnout": facts}


def _facts(model: Model) -> dict[str, Any]:
    return {
        "modalities": sorted(model.modalities),
        "context": model.context.native,
        "thinking": sorted(model.thinking),
        "license": model.license.spdx or model.license.name,
        "deployments": [d.name for d in model.deployments],
    }
