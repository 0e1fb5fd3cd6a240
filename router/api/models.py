"""`GET /v1/models`: what a caller may name as `model`, for OpenAI's clients and for Anthropic's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from router.api.messages import VERSION
from router.catalog import Model
from router.config import Config
from router.embedder import Embedder
from router.errors import NotFound

EMBEDDING = ["embedding"]
CREATED = "1970-01-01T00:00:00Z"
"""Of every name: catalogs do not say when a model was made."""


def routes(config: Callable[[], Config]) -> APIRouter:
    router = APIRouter(prefix="/v1/models", tags=["models"])

    @router.get("", summary="List the models")
    def models(request: Request) -> dict[str, Any]:
        """`auto`, one `auto:<policy>` for each policy, and every model of the catalog.

        In Anthropic's shape, on one page and without embedding models, where `anthropic-version` is sent.
        """
        entries = listing(config())
        if VERSION not in request.headers:
            return {"object": "list", "data": entries}
        entries = [e for e in entries if e["turnout"].get("modalities") != EMBEDDING]
        first, last = entries[0]["id"], entries[-1]["id"]
        return {"data": [_info(e) for e in entries], "has_more": False, "first_id": first, "last_id": last}

    @router.get("/{name:path}", summary="One model")
    def model(name: str, request: Request) -> dict[str, Any]:
        """The entry of one name of the list. 404 `model_not_found` for any other."""
        entries = {entry["id"]: entry for entry in listing(config())}
        if name not in entries:
            raise NotFound(
                f"The model {name[:128]!r} does not exist. Models are: {', '.join(entries)}.",
                param="model",
                code="model_not_found",
            )
        return _info(entries[name]) if VERSION in request.headers else entries[name]

    return router


def listing(config: Config) -> list[dict[str, Any]]:
    """OpenAI model objects, with Turnout's own facts beside them under `turnout`."""
    entries = [_entry("auto", "turnout", {"policy": config.default})]
    entries += [
        _entry(f"auto:{name}", "turnout", {"policy": name, "description": p.description})
        for name, p in config.policies.items()
    ]
    entries += [_entry(m.name, m.maker, _facts(m)) for m in config.catalog.models.values()]
    entries += [_entry(e.name, e.maker, _vectors(e)) for e in config.catalog.embeddings.values()]
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


def _vectors(embedder: Embedder) -> dict[str, Any]:
    return {
        "modalities": EMBEDDING,
        "context": embedder.context,
        "dimensions": embedder.dimensions,
        "license": (embedder.license.spdx or embedder.license.name) if embedder.license else None,
        "deployments": [d.name for d in embedder.deployments],
    }


def _info(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the list as Anthropic describes a model. What is not known is null."""
    facts = entry["turnout"]
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry["id"],
        "created_at": CREATED,
        "lifecycle": "active",
        "max_input_tokens": facts.get("context"),
        "max_tokens": None,
        "turnout": facts,
    }
