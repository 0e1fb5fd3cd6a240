"""A model that turns texts into vectors, and where it is served: without thinking modes, and never right or wrong."""

from __future__ import annotations

from pydantic import Field, model_validator

from router.deployment import Deployment
from router.license import License
from router.yaml_file import Misplaced, Strict


class Embedder(Strict):
    name: str = ""
    """Set from its key in the file."""
    maker: str = ""
    license: License | None = None
    context: int | None = Field(default=None, gt=0)
    """Tokens of one text."""
    dimensions: int | None = Field(default=None, gt=0)
    """Of a vector, unless the caller asks for fewer."""
    bytes_per_token: float = Field(default=4.0, gt=0)
    """For counting before the upstream says."""
    aliases: frozenset[str] = frozenset()
    """Other names that callers may know it by."""
    deployments: tuple[Deployment, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Embedder:
        seen: set[str] = set()
        for i, d in enumerate(self.deployments):
            if d.name in seen:
                raise Misplaced(("deployments", i, "name"), f"two deployments are called {d.name!r}")
            if d.base_url is None:
                raise Misplaced(("deployments", i), "embeddings need base_url, an OpenAI-compatible endpoint")
            seen.add(d.name)
        return self
