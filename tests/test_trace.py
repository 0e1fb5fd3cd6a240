"""W3C Trace Context: what is taken of a caller's headers, and what an upstream is told."""

from __future__ import annotations

import pytest

from router import trace
from router.trace import SAMPLED, Trace

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{ID}-{SPAN}-01"


def test_the_callers_trace_is_kept() -> None:
    """Its id, span, flag and state; the span is a new one."""
    found = trace.read({"traceparent": GIVEN, "tracestate": "congo=t61rcWkgMzE,rojo=00f0"})
    assert (found.trace_id, found.parent_id, found.sampled) == (ID, SPAN, True)
    assert found.state == "congo=t61rcWkgMzE,rojo=00f0"
    assert len(found.span_id) == 16 and found.span_id != SPAN


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        (GIVEN, 1),
        (f"00-{ID}-{SPAN}-00", 0),
        (f"00-{ID}-{SPAN}-02", 2),
        (f"00-{ID}-{SPAN}-ff", 3),
        (f"01-{ID}-{SPAN}-01", 1),
        (f"cc-{ID}-{SPAN}-01-what-the-future-will-be-like", 1),
        (f"cc-{ID}-{SPAN}-01-", 1),
    ],
)
def test_what_is_valid(given: str, flags: int) -> None:
    """Versions to come may say more; of the flags only those go on that are known."""
    found = trace.read({"traceparent": given})
    assert (found.trace_id, found.parent_id, found.flags) == (ID, SPAN, flags)
    assert found.headers("c" * 16) == (("traceparent", f"00-{ID}-{'c' * 16}-{flags:02x}"),)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "garbage",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"ff-{ID}-{SPAN}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{ID}-{SPAN.upper()}-01",
        f"00-{ID}-{SPAN}-0A",
        f"00-{ID}-{SPAN}-01-more",
        f"00-{ID}-{SPAN}-01-",
        f"cc-{ID}-{SPAN}-01.more",
        f"00-{ID[1:]}-{SPAN}-01",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}",
        f"00_{ID}_{SPAN}_01",
        f"{GIVEN}\n",
        f" {GIVEN}",
        f"{GIVEN},{GIVEN}",
    ],
)
def test_what_is_not_begins_a_new_trace(given: str) -> None:
    """And what came with it, in `tracestate`, goes no further."""
    found = trace.read({"traceparent": given, "tracestate": "congo=1"})
    assert (found.trace_id != ID, found.parent_id, found.state, found.flags) == (True, None, "", SAMPLED)
    assert trace.read(dict(found.headers(found.span_id))).trace_id == found.trace_id


def test_without_a_trace_a_new_one_begins() -> None:
    """Each with ids of its own, and valid."""
    found = [trace.read({"tracestate": "congo=1"}) for _ in range(200)]
    assert len({t.trace_id for t in found} | {t.span_id for t in found} | {trace.span()}) == 401
    assert all(trace.read(dict(t.headers(trace.span()))).trace_id == t.trace_id for t in found)
    assert {t.state for t in found} == {""}


def test_a_share_of_new_traces_is_sampled() -> None:
    """As the setting says; a caller's own mark stands."""
    assert not any(trace.read({}, 0.0).sampled for _ in range(100))
    assert all(trace.read({}, 1.0).sampled for _ in range(100))
    assert 300 < sum(trace.read({}, 0.2).sampled for _ in range(2_000)) < 520
    assert trace.read({"traceparent": GIVEN}, 0.0).sampled
    assert not trace.read({"traceparent": f"00-{ID}-{SPAN}-00"}, 1.0).sampled


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a=1", "a=1"),
        ("a=1, b=2 ,\tc=3", "a=1,b=2,c=3"),
        ("a=1,,b=2,", "a=1,b=2"),
        ("0tenant@vendor=x y", "0tenant@vendor=x y"),
        ("0a=1", ""),
        ("a@b@c=1", ""),
        ("a@0b=1", ""),
        ("a-_*/=" + "v" * 256, "a-_*/=" + "v" * 256),
        ("", ""),
        (" , ", ""),
        ("a", ""),
        ("a=", ""),
        ("=1", ""),
        ("A=1", ""),
        ("a=1,a=2", ""),
        ("a=1=2", ""),
        ("a=\x7f", ""),
        ("a=é", ""),
        ("a=1\r\nx: y", ""),
        ("a=" + "v" * 257, ""),
        ("k" * 257 + "=1", ""),
        (",".join(f"k{i}=1" for i in range(32)), ",".join(f"k{i}=1" for i in range(32))),
        (",".join(f"k{i}=1" for i in range(33)), ""),
    ],
)
def test_what_of_the_state_goes_on(given: str, kept: str) -> None:
    """All of it, or nothing where any of it is not valid; the trace is kept either way."""
    found = trace.read({"traceparent": GIVEN, "tracestate": given})
    assert (found.trace_id, found.state) == (ID, kept)


def test_a_long_state_is_cut_between_entries() -> None:
    """Long entries go first, then the last ones: the first are the newest."""
    long = ["a=" + "v" * 200, *(f"k{i}={'v' * 30}" for i in range(12))]
    assert trace.read({"traceparent": GIVEN, "tracestate": ",".join(long)}).state == ",".join(long[1:])
    many = [f"k{i:02}={'v' * 46}" for i in range(12)]
    assert trace.read({"traceparent": GIVEN, "tracestate": ",".join(many)}).state == ",".join(many[:10])


def test_what_an_upstream_is_told() -> None:
    """The call's own span, and the state as it came."""
    told = Trace(ID, SPAN, None, 0, "a=1").headers("c" * 16)
    assert told == (("traceparent", f"00-{ID}-{'c' * 16}-00"), ("tracestate", "a=1"))
