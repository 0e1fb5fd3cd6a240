"""The choice between the two clients."""

from __future__ import annotations

from typing import Any

import pytest

from router.deployment import Deployment, Prices
from router.errors import UpstreamFault
from router.upstream import ByProvider, Line, Scripted
from router.upstream.base import Call

DIRECT = {"base_url": "http://127.0.0.1:1"}
FOREIGN = {"litellm_provider": "bedrock"}


def call(where: dict[str, Any]) -> Call:
    fields = {"name": "d", "model": "m", "prices": Prices(input=1, output=1)}
    return Call(Deployment.model_validate(fields | where), b"{}", False)


async def test_each_deployment_goes_to_the_client_of_its_dialect() -> None:
    """base_url: directly; litellm_provider: through litellm."""
    both = ByProvider(Scripted([Line(b"direct")]), Scripted([Line(b"translated")]))
    assert await (await both.send(call(FOREIGN))).read(99) == b"translated"
    assert await (await both.send(call(DIRECT))).read(99) == b"direct"
    await both.close()


async def test_without_litellm_the_other_dialects_are_a_fault() -> None:
    """A catalog that names a provider after the start, when litellm was not loaded; other arms can still be tried."""
    direct = ByProvider(Scripted([Line(b"direct")]))
    with pytest.raises(UpstreamFault, match="litellm") as caught:
        await direct.send(call(FOREIGN))
    assert caught.value.kind == "connect"
    assert await (await direct.send(call(DIRECT))).read(99) == b"direct"
    await direct.close()
