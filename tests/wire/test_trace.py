"""A caller's trace context, right and wrong."""

from __future__ import annotations

import pytest

from router.wire.trace import trace_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ZEROS = "0" * 32
SAID = [
    (f"00-{TRACE}-{SPAN}-01", TRACE),
    (f"00-{TRACE}-{SPAN}-00", TRACE),
    (f"cc-{TRACE}-{SPAN}-01", TRACE),
    (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TRACE),
    (f"00-{TRACE}-{SPAN}-01-more", None),
    (f"ff-{TRACE}-{SPAN}-01", None),
    (f"00-{ZEROS}-{SPAN}-01", None),
    (f"00-{TRACE}-0000000000000000-01", None),
    (f"00-{TRACE.upper()}-{SPAN}-01", None),
    (f"00-{TRACE[1:]}-{SPAN}-01", None),
    (f"00-{TRACE}-{SPAN}-01\n", None),
    ("", None),
]


@pytest.mark.parametrize(("header", "wanted"), SAID)
def test_a_trace_is_read_where_it_is_said_as_the_standard_has_it(header: str, wanted: str | None) -> None:
    """Later versions may say more; zeros, capitals and wrong lengths are no trace."""
    assert trace_id({"traceparent": header}) == wanted


def test_most_requests_are_part_of_no_trace() -> None:
    """Nor is one made up."""
    assert trace_id({}) is None
