"""Events of streams that pass as they are."""

from __future__ import annotations

import json

from router.wire.native import events
from tests.wire.streams import DONE, event


def test_the_events_of_a_block() -> None:
    """Each is decoded; a [DONE] and comments are none of them."""
    block = event({"a": 1}) + b": waiting\n\n" + event({"a": 2}) + DONE
    assert list(events(block, json.loads)) == [{"a": 1}, {"a": 2}]
