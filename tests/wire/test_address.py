"""What of a request goes upstream."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.wire.address import addressed


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('{"a":1.50,"model":"auto","b":2}', '{"a":1.50,"model":"theirs","b":2}'),
        ('{"model":"auto","turnout":{"retries":1},"b":2}', '{"model":"theirs","b":2}'),
        ('{"metadata":{"turnout.step":"x","mine": 1.0},"model":"auto"}', '{"metadata":{"mine":1.0},"model":"theirs"}'),
        ('{"metadata":{"turnout.step":"x"},"model":"auto"}', '{"model":"theirs"}'),
        ('{"metadata":{"\\u0074urnout.step":"x"},"model":"auto"}', '{"model":"theirs"}'),
        ('{"metadata":{"mine":  1},"model":"auto"}', '{"metadata":{"mine":  1},"model":"theirs"}'),
        ('{"metadata":null,"model":"auto"}', '{"metadata":null,"model":"theirs"}'),
        ('{"metadata":{},"model":"auto"}', '{"metadata":{},"model":"theirs"}'),
    ],
)
def test_the_fields(fields: str, expected: str) -> None:
    """The model is the upstream's, Turnout's words are gone, and all else is in its place as it came."""
    read: dict[str, Any] = msgspec.json.decode(fields, type=dict[str, msgspec.Raw])
    assert msgspec.json.encode(addressed(read, "theirs")).decode() == expected
