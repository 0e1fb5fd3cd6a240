"""Every hint: its bounds, its sources, how they combine, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from router import hints
from router.errors import BadRequest
from router.hints import HINTS, Hints

GOOD: list[tuple[str, Any, Any]] = [
    ("step", "code", "code"),
    ("step", "Write tests/unit-1.2", "Write tests/unit-1.2"),
    ("step", "x" * 64, "x" * 64),
    ("step_id", "a", "a"),
    ("step_id", "!~" * 64, "!~" * 64),
    ("run_id", "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ("attempt", 1, 1),
    ("attempt", "16", 16),
    ("attempt", 2.0, 2),
    ("accuracy", 0.95, 0.95),
    ("accuracy", "0.95", 0.95),
    ("accuracy", ".5", 0.5),
    ("accuracy", "5e-1", 0.5),
    ("accuracy", 1e-9, 1e-9),
    ("accuracy", 0.999999, 0.999999),
    ("retries", 0, 0),
    ("retries", "3", 3),
    ("failure_cost", 0, 0.0),
    ("failure_cost", "1000000", 1e6),
    ("output_tokens", 1, 1),
    ("output_tokens", "2000000", 2_000_000),
    ("deadline", 30, 30.0),
    ("deadline", "0.5", 0.5),
    ("max_cost", 0.0001, 0.0001),
    ("max_cost", "0.01", 0.01),
    ("max_cost", 9_999.99, 9_999.99),
    ("deadline", 0.05, 0.05),
    ("deadline", 3600, 3600.0),
    ("verify", "none", "none"),
    ("verify", "caller", "caller"),
    ("verify", "schema", frozenset({"schema"})),
    ("verify", "schema, tools,length", frozenset({"schema", "tools", "length"})),
    ("verify", ["nonempty", "refusal"], frozenset({"nonempty", "refusal"})),
    ("license", "Apache-2.0", (frozenset({"Apache-2.0"}),)),
    ("license", ["Apache-2.0", "redistribute"], (frozenset({"Apache-2.0", "redistribute"}),)),
    ("license", ",".join(f"l{i}" for i in range(16)), (frozenset(f"l{i}" for i in range(16)),)),
    ("runtime", "cuda,nim", (frozenset({"cuda", "nim"}),)),
    ("models", "qwen3.5-122b/off", (frozenset({"qwen3.5-122b/off"}),)),
    ("thinking", "on", frozenset({"on"})),
    ("thinking", "OFF", frozenset({"off"})),
    ("thinking", "low", frozenset({"low"})),
    ("language", "de", frozenset({"de"})),
    ("language", "zh-Hant", frozenset({"zh-Hant"})),
    ("language", "gsw-CH-1996", frozenset({"gsw-CH-1996"})),
    ("prefer", "cost", "cost"),
    ("prefer", "Speed", "speed"),
    ("prefer", "accuracy", "accuracy"),
    ("hold", True, True),
    ("hold", "false", False),
    ("hold", "1", True),
    ("hold", "0", False),
    ("run_retries", 0, 0),
    ("run_retries", "10000", 10_000),
    ("run_max_cost", 0.5, 0.5),
    ("run_max_cost", "12", 12.0),
]

NUMBERS = ("accuracy", "failure_cost", "deadline", "max_cost", "run_max_cost")
WHOLE = ("attempt", "retries", "output_tokens", "run_retries")
NAMES = ("step", "license", "runtime", "models", "verify")
WORDS = (*NAMES, "step_id", "run_id", "thinking", "language", "prefer")

NOT_NUMBERS: list[Any] = [
    "",
    " ",
    "half",
    "0,9",
    "0.9 ",
    " 0.9",
    "0.9\r\n",
    "0.9\r\nx-evil: 1",
    "1_0",
    "0x1",
    "٠.٥",
    "０.５",
    "1e",
    "--1",
    "1e9999",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "infinity",
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    -(10**400),
    "9" * 5000,
    None,
    True,
    False,
    [],
    [0.5],
    {},
    {"a": 1},
    b"0.5",
]
NOT_WORDS: list[Any] = [
    "",
    " ",
    "\r\n",
    "a\r\nb",
    "a\nb",
    "a\x00b",
    "a\tb",
    "é",
    "模型",
    "ａ",
    "\u202ea",
    "\ud800",
    "x" * 5000,
    None,
    True,
    0,
    1.5,
    {},
    [],
    [[]],
    [None],
    [1],
    [{"a": 1}],
    b"cuda",
]
PATHS = ["../etc/passwd", "/etc/passwd", "..", ".", "./x", "~root", "\\\\server\\x", "file:///x", "%2e%2e"]

BAD: list[tuple[str, Any]] = [
    *((name, value) for name in (*NUMBERS, *WHOLE) for value in NOT_NUMBERS),
    *((name, value) for name in WORDS for value in NOT_WORDS),
    *((name, value) for name in NAMES for value in PATHS),
    *((name, path) for name in ("thinking", "language", "prefer", "hold") for path in PATHS),
    ("step", "x" * 65),
    ("step", " code"),
    ("step", ["code"]),
    ("step_id", "x" * 129),
    ("step_id", "a b"),
    ("run_id", "x" * 129),
    ("attempt", 0),
    ("attempt", 17),
    ("attempt", -1),
    ("attempt", 1.5),
    ("attempt", "1.0"),
    ("attempt", "+1"),
    ("accuracy", 0),
    ("accuracy", 1),
    ("accuracy", "1.0"),
    ("accuracy", -0.1),
    ("accuracy", 95),
    ("retries", -1),
    ("retries", 4),
    ("retries", "0x1"),
    ("failure_cost", -0.01),
    ("failure_cost", 1_000_000.01),
    ("output_tokens", 0),
    ("output_tokens", 2_000_001),
    ("deadline", 0),
    ("deadline", -5),
    ("deadline", 0.049),
    ("deadline", 3600.1),
    ("max_cost", 10_000),
    ("run_max_cost", 1_000_000),
    ("max_cost", 0),
    ("max_cost", -1),
    ("verify", "everything"),
    ("verify", "schema,none"),
    ("verify", ["caller"]),
    ("verify", ["schema", "schema", 1]),
    ("license", ",".join(f"l{i}" for i in range(17))),
    ("license", "Apache-2.0,,MIT"),
    ("license", "Apache-2.0\r\n"),
    ("thinking", "auto"),
    ("thinking", ["on"]),
    ("language", "x"),
    ("language", "english-"),
    ("language", "de,en"),
    ("prefer", "quality"),
    ("hold", "yes"),
    ("hold", 1),
    ("hold", None),
    ("run_retries", 10_001),
    ("run_max_cost", 0),
]

PREFIXES = ("model?", "metadata.turnout.", "x-turnout-", "turnout.")


def one(name: str, value: Any) -> Any:
    return getattr(hints.read([("turnout.", {name: value})]), name)


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_value_within_bounds_is_read(name: str, value: Any, expected: Any) -> None:
    """Numbers come as numbers or text, lists as lists or with commas, words in any case."""
    assert one(name, value) == expected


def test_every_hint_is_in_the_table_of_good_values() -> None:
    """No hint goes untested, and each names one field of Hints."""
    assert {name for name, _, _ in GOOD} == set(HINTS) == set(Hints.__struct_fields__)
    assert all(h.meaning for h in HINTS.values())


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda v: ascii(v)[:40])
def test_a_value_out_of_bounds_is_a_400_that_names_it(name: str, value: Any) -> None:
    """Wrong type, out of range, CR or LF, foreign digits, a path: refused with the hint and what would be right."""
    with pytest.raises(BadRequest) as caught:
        one(name, value)
    error = caught.value.body()["error"]
    assert (caught.value.status, error["param"], error["code"]) == (400, f"turnout.{name}", "invalid_hint")
    assert error["message"].startswith(f"turnout.{name} must be ")
    assert "\r" not in error["message"] and "\n" not in error["message"]
    json.dumps(error)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_error_names_the_source(prefix: str) -> None:
    """The same mistake in the model string, metadata, a header or the body is named where the caller wrote it."""
    with pytest.raises(BadRequest) as caught:
        hints.read([(prefix, {"retries": "many"})])
    assert caught.value.param == f"{prefix}retries"


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["acuracy", "Accuracy", "", "__class__", "step-id", "x" * 5000, "模型", "a\r\nb"])
def test_an_unknown_hint_is_a_400_that_lists_the_known_ones(prefix: str, name: str) -> None:
    """A typing mistake is never silently ignored, and a long name is cut in the message."""
    with pytest.raises(BadRequest) as caught:
        hints.read([(prefix, {name: "1"})])
    assert caught.value.code == "unknown_hint"
    assert caught.value.param == prefix + name[:64]
    assert len(caught.value.message) < 500
    assert all(known in caught.value.message for known in HINTS)


@pytest.mark.parametrize(
    ("name", "first", "second", "expected"),
    [
        ("step", "code", "chat", "chat"),
        ("step_id", "a", "b", "b"),
        ("run_id", "a", "b", "b"),
        ("attempt", 1, 2, 2),
        ("accuracy", 0.9, 0.5, 0.5),
        ("retries", 0, 3, 3),
        ("failure_cost", 2, 1, 1.0),
        ("output_tokens", 10, 20, 20),
        ("verify", "schema", "none", "none"),
        ("prefer", "cost", "speed", "speed"),
        ("hold", True, False, False),
        ("deadline", 10, 20, 10.0),
        ("deadline", 20, 10, 10.0),
        ("max_cost", 0.1, 0.2, 0.1),
        ("max_cost", 0.2, 0.1, 0.1),
        ("run_retries", 5, 9, 5),
        ("run_max_cost", 1, 2, 1.0),
        ("license", "MIT", "derive", (frozenset({"MIT"}), frozenset({"derive"}))),
        ("thinking", "on", "off", frozenset({"on", "off"})),
        ("language", "de", "fr", frozenset({"de", "fr"})),
        ("models", "a,b", "b,c", (frozenset({"a", "b"}), frozenset({"b", "c"}))),
        ("runtime", "cuda", "cuda,nim", (frozenset({"cuda"}), frozenset({"cuda", "nim"}))),
    ],
)
def test_preferences_are_overwritten_and_constraints_only_narrow(
    name: str, first: Any, second: Any, expected: Any
) -> None:
    """Two sources of one hint: the later preference wins; of two limits the tighter holds; lists must all hold."""
    assert getattr(hints.read([("a", {name: first}), ("b", {name: second})]), name) == expected


def test_the_combination_table_covers_every_hint() -> None:
    """Each hint says how it combines, and only budgets and gates are not simply overwritten."""
    later = {name for name, hint in HINTS.items() if hint.combine == "later"}
    assert later == {
        "step",
        "step_id",
        "run_id",
        "attempt",
        "accuracy",
        "retries",
        "failure_cost",
        "output_tokens",
        "verify",
        "prefer",
        "hold",
    }


def test_a_bad_value_is_refused_even_where_a_later_source_would_overwrite_it() -> None:
    """A mistake is reported, not hidden by luck."""
    with pytest.raises(BadRequest):
        hints.read([("model?", {"accuracy": "2"}), ("turnout.", {"accuracy": 0.9})])


def test_nothing_said_is_one_shared_value() -> None:
    """A request without hints costs nothing."""
    assert hints.read([]) is hints.NONE
    assert hints.read([("turnout.", {}), ("x-turnout-", {})]) is hints.NONE
    assert hints.NONE == Hints()


@pytest.mark.parametrize(
    ("model", "name", "found"),
    [
        ("auto", "auto", {}),
        ("auto?", "auto", {}),
        ("auto?accuracy=0.95&retries=1", "auto", {"accuracy": "0.95", "retries": "1"}),
        ("auto:cost-first?license=Apache-2.0", "auto:cost-first", {"license": "Apache-2.0"}),
        ("qwen3.5-122b/off?hold=true", "qwen3.5-122b/off", {"hold": "true"}),
        ("auto?models=a%2Cb", "auto", {"models": "a,b"}),
        ("auto?accuracy", "auto", {"accuracy": ""}),
        ("auto?a=b?c", "auto", {"a": "b?c"}),
        ("auto?step_id=a%0d%0ab", "auto", {"step_id": "a\r\nb"}),
        ("auto?step=%ff", "auto", {"step": "\ufffd"}),
        ("", "", {}),
        ("?accuracy=0.5", "", {"accuracy": "0.5"}),
    ],
)
def test_hints_in_the_model_string(model: str, name: str, found: dict[str, str]) -> None:
    """`name?hint=value&...`, percent-encoded as in a URL: the one way that every framework lets through."""
    assert hints.split_model(model) == (name, found)


@pytest.mark.parametrize("model", ["auto?accuracy=0.9&accuracy=0.5", "auto?hold=1&hold=1", "auto?a=&a="])
def test_a_hint_twice_in_the_model_string_is_refused(model: str) -> None:
    """Which of the two is meant cannot be known."""
    with pytest.raises(BadRequest) as caught:
        hints.split_model(model)
    assert (caught.value.param, caught.value.code) == ("model", "invalid_hint")


@pytest.mark.parametrize("model", ["auto?step_id=a%0d%0ab", "auto?step=%ff", "auto?accuracy", "auto?accuracy=%2e%2e"])
def test_encoding_hides_nothing(model: str) -> None:
    """Line breaks, broken UTF-8 and missing values are refused after decoding."""
    _, found = hints.split_model(model)
    with pytest.raises(BadRequest):
        hints.read([("model?", found)])


def test_hints_in_headers() -> None:
    """`x-turnout-` and the name with hyphens; other headers are not looked at."""
    found = hints.from_headers(
        {"x-turnout-failure-cost": "2", "x-turnout-step-id": "7", "x-other": "1", "accept": "*/*"}
    )
    assert found == {"failure_cost": "2", "step_id": "7"}
    assert hints.from_headers({}) == {}


def test_hints_in_metadata() -> None:
    """`turnout.` and the name; the caller's other metadata is theirs."""
    assert hints.from_metadata({"turnout.accuracy": "0.9", "user": "me", "turnout": "x"}) == {"accuracy": "0.9"}
    assert hints.from_metadata({}) == {}


def test_all_four_ways_say_the_same() -> None:
    """One hint, four ways, one meaning."""
    name, in_model = hints.split_model("auto?failure_cost=0.25&verify=schema,tools&hold=true")
    ways: list[dict[str, Any]] = [
        in_model,
        hints.from_metadata({"turnout.failure_cost": "0.25", "turnout.verify": "schema,tools", "turnout.hold": "true"}),
        hints.from_headers(
            {"x-turnout-failure-cost": "0.25", "x-turnout-verify": "schema,tools", "x-turnout-hold": "true"}
        ),
        {"failure_cost": 0.25, "verify": ["schema", "tools"], "hold": True},
    ]
    assert name == "auto"
    assert len({hints.read([("x", way)]) for way in ways}) == 1


def test_every_hint_is_documented() -> None:
    """docs/hints.md has one row for each hint, which says whether a later way wins or both must hold."""
    docs = (Path(__file__).parent.parent / "docs" / "hints.md").read_text(encoding="utf-8")
    rows = {cells[1].strip(" `"): cells[-2].strip() for line in docs.splitlines() if len(cells := line.split("|")) == 6}
    kinds = {
        "later": "preference",
        "smaller": "constraint: the smaller",
        "union": "constraint: all",
        "append": "constraint: each list",
    }
    assert {name: rows.get(name) for name in HINTS} == {name: kinds[hint.combine] for name, hint in HINTS.items()}
