"""What is said where nothing is served."""

from __future__ import annotations

from router.errors import NotFound

SERVED = (
    "/chat/completions",
    "/responses",
    "/messages",
    "/messages/count_tokens",
    "/completions",
    "/embeddings",
    "/models",
    "/route",
    "/outcomes",
)
"""Below `/v1`."""


def nowhere(path: str, status: int) -> NotFound:
    """The error for an unknown path, with what was probably meant: a base URL that lacks `/v1`, or has it twice."""
    bare = path.rstrip("/")
    tail = bare
    while tail.startswith("/v1/"):
        tail = tail[3:]
    said = f"There is nothing at {path[:200]}."
    if tail in SERVED:
        base = "alone, since these clients add /v1" if tail.startswith("/messages") else "and /v1"
        said += f" Did you mean /v1{tail}? Set a client's base_url to this server's address {base}."
    elif bare in ("", "/v1"):
        said += " The API is described at /docs; clients take this server's address and /v1 as base_url."
    return NotFound(said, status=status, code="unknown_path")
