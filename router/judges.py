"""A user's own judge of answers: an HTTP endpoint that a policy names as a check."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field, HttpUrl, field_validator

from router.deployment import Deployment, Prices
from router.yaml_file import Strict

MAX_JUDGES = 8
"""In one policy."""
BUILT_IN = frozenset({"schema", "tools", "length", "nonempty", "refusal"})
RESERVED = BUILT_IN | {"none", "caller", "checks", "run", "upstream"}


class Judge(Strict):
    """Where answers are sent to be judged, and what that takes. Only a policy's file can name one."""

    url: HttpUrl
    """Sent to as it stands: no redirect is followed, and nothing of a request becomes part of it."""
    timeout: float = Field(default=30.0, gt=0, le=600)
    """Seconds for one verdict; without one in time the answer stands."""
    key_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    """Name of the environment variable with the key, sent as a bearer token; none is sent without it."""
    seconds: float = Field(default=1.0, ge=0, le=600)
    """Expected seconds of one verdict: plans count them for each attempt."""
    cost: float = Field(default=0.0, ge=0)
    """USD of one verdict, counted likewise."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Least score that accepts an answer."""

    @field_validator("url")
    @classmethod
    def _plain(cls, value: HttpUrl) -> HttpUrl:
        if value.username or value.password:
            raise ValueError("holds a user or password; name the key's variable in key_env")
        if value.query or value.fragment:
            raise ValueError("holds a query or fragment; give scheme, host, port and path alone")
        return value

    @property
    def path(self) -> str:
        return self.url.path or "/"

    @cached_property
    def place(self) -> Deployment:
        """The judge's server, as the clients of upstreams know one."""
        port = f":{self.url.port}" if self.url.port else ""
        return Deployment(
            name="judge",
            model="judge",
            base_url=HttpUrl(f"{self.url.scheme}://{self.url.host}{port}"),
            api_key_env=self.key_env,
            prices=Prices(input=0, output=0),
        )
