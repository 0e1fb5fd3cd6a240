"""Step facts: what the decision knows of a step, read from its request alone."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.step import Facts, facts
from router.wire import chat

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uzAAAAAElFTkSuQmCC"


def read(*messages: dict[str, Any], ascii_only: bool = True, **fields: Any) -> Facts:
    body = json.dumps({"model": "auto", "messages": messages, **fields}, ensure_ascii=ascii_only)
    return facts(chat.parse(body.encode()))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def tool(content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c", "content": content}


def calls(*pairs: tuple[str, str]) -> dict[str, Any]:
    made = [{"id": "c", "type": "function", "function": {"name": n, "arguments": a}} for n, a in pairs]
    return {"role": "assistant", "content": None, "tool_calls": made}


def test_a_first_question_has_few_facts() -> None:
    """Nothing has happened yet."""
    assert read(user("Hi there")) == Facts(input_bytes=len('[{"role": "user", "content": "Hi there"}]'))


def test_what_was_asked_is_carried_over() -> None:
    """Tools, schema, limits, pictures."""
    found = read(
        user([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PNG}}]),
        tools=[{"function": {"name": "f"}}],
        response_format={"type": "json_object"},
        logprobs=True,
        max_tokens=7,
        n=2,
        reasoning_effort="low",
    )
    assert (found.tools, found.schema, found.logprobs, found.max_tokens, found.n) == (1, True, True, 7, 2)
    assert (found.thinking, found.images) == ("low", ((640, 480),))
    assert found.input_bytes < 200


def test_turns_and_results_are_counted() -> None:
    """Results since the last word of the user; all turns; a name that is no function is no call."""
    history = (
        user("x"),
        calls(("read_file", "{}")),
        tool("a"),
        tool("b"),
        user("more"),
        calls(("read_file", "1")),
        tool("c"),
    )
    found = read(
        {"role": "system", "content": "Be brief."},
        *history,
        {"role": "assistant", "content": "done", "tool_calls": [{"id": "x"}]},
    )
    assert (found.turn, found.tool_results, found.reads) == (3, 1, 1.0)


def test_a_picture_behind_a_tools_message_is_the_tools() -> None:
    """Few servers take pictures from tools, so they follow in a user's message: no fresh question. Words are one."""
    shown = user([{"type": "text", "text": "It returned:"}, {"type": "image_url", "image_url": {"url": PNG}}])
    begun = (user("x"), calls(("screenshot", "{}")), tool("done"))
    assert read(*begun, shown).tool_results == 1
    assert read(*begun, user("Stop. About the image_url:")).tool_results == 0
    assert read(*begun, {"role": "assistant", "content": "Well?"}, shown).tool_results == 0


@pytest.mark.parametrize(
    ("results", "severity", "share"),
    [
        ([], 0, 0.0),
        (["fine"], 0, 0.0),
        (["bash: x: command not found"], 1, 1.0),
        (["Traceback (most recent call last):\n  ..."], 2, 1.0),
        (["Permission denied"], 3, 1.0),
        (["Permission denied", "fine"], 0, 0.5),
        (["timed out"] * 3 + ["fine"] * 4, 0, 0.2),
        ([None, "no results"], 1, 0.5),
        ([[{"type": "text", "text": "Permission denied"}]], 3, 1.0),
        ([[{"type": "text", "text": "no results"}, {"type": "image_url", "image_url": {"url": PNG}}]], 1, 1.0),
        ([[{"type": "image_url", "image_url": {"url": PNG}}]], 0, 0.0),
    ],
)
def test_failures_of_tools(results: list[Any], severity: int, share: float) -> None:
    """The last result's severity, and the share of failures among the last five."""
    found = read(user("x"), *(tool(r) for r in results))
    assert (found.severity, found.failure_share) == (severity, share)


def test_spinning_is_the_same_call_again() -> None:
    """Same name and same arguments; anything else is progress."""
    again = [calls(("look", '{"a": 1}')), tool("x")]
    assert read(user("x"), *again).repeated == 0
    assert read(user("x"), *again * 3).repeated == 2
    assert read(user("x"), *again * 3, calls(("look", '{"a": 2}'))).repeated == 0
    assert read(user("x"), *again * 3, calls(("list", '{"a": 1}'))).repeated == 0


def test_exploring_against_producing() -> None:
    """Of the last ten calls."""
    assert read(user("x"), calls(*[("edit_file", "")] * 5, *[("readFile", "")] * 10)).reads == 1.0
    assert read(user("x"), calls(("grep", ""), ("write", ""), ("frobnicate", ""))).reads == 0.5
    assert read(user("x"), calls(("frobnicate", ""))).reads == 0.5


CODE = "def f(x):\n    return {'a': [x[0], x[1]], **g(x)}  # ok\n" * 40
PROSE = "The station lies at the edge of the town, where two lines meet and a road crosses them. " * 30


@pytest.mark.parametrize("ascii_only", [True, False])
def test_shares_of_code_and_script(ascii_only: bool) -> None:
    """The same whether the JSON escapes every letter or none."""
    assert read(user(CODE), ascii_only=ascii_only).code > 0.8
    assert read(user(PROSE), ascii_only=ascii_only).code < 0.05
    assert read(user(PROSE), ascii_only=ascii_only).non_latin == 0.0
    assert read(user("Größe – “déjà vu” Việt 🙂 "), ascii_only=ascii_only).non_latin == 0.0
    assert read(user("请修复解析器中的错误" * 200), ascii_only=ascii_only).non_latin > 0.95
    assert read(user("Исправь ошибку в файле. " * 50), ascii_only=ascii_only).non_latin > 0.7
    assert 0.3 < read(user("修" * 100 + "x" * 100), ascii_only=ascii_only).non_latin < 0.7
    fenced = PROSE[:600] + "\n```\n" + "take one from the other\n" * 25 + "```\n"
    assert 0.4 < read(user(fenced), ascii_only=ascii_only).code < 0.6


def test_escapes_do_not_make_an_input_longer() -> None:
    """Bytes are counted as the text has them, within a tenth."""
    for text in ("请修复解析器中的错误" * 500, CODE * 5, 'a "quoted" word\n' * 300):
        plain = len(text.encode())
        for ascii_only in (True, False):
            assert plain * 0.95 < read(user(text), ascii_only=ascii_only).input_bytes < plain * 1.1 + 60


def test_many_pictures_leave_their_urls_out() -> None:
    """A megabyte of base64 is no text."""
    url = "data:image/png;base64," + "iVBORw0K" * 100_000
    found = read(user([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]))
    assert found.input_bytes < 200 and found.code == 0.0


def test_the_cost_does_not_grow_with_the_text() -> None:
    """Long contents are sampled: a hundred times the text takes nothing like a hundred times as long."""

    def seconds(size: int) -> float:
        request = chat.parse(json.dumps({"model": "auto", "messages": [tool("x\n" * size)] * 10}).encode())
        began = time.process_time()
        for _ in range(20):
            facts(request)
        return time.process_time() - began

    assert seconds(100_000) < 30 * max(seconds(1_000), 0.002)


TEXT = st.text(alphabet='a\\"\n\u00e9\u4fee\U0001f642 {}', max_size=40)


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "tool", "assistant"]), TEXT, st.integers(1, 200)), min_size=1, max_size=6
    ),
    st.booleans(),
)
def test_facts_are_bounded_whatever_the_text(messages: list[tuple[str, str, int]], ascii_only: bool) -> None:
    """Escapes and characters cut by the samples are no errors, and shares stay shares."""
    found = read(*({"role": r, "content": t * n} for r, t, n in messages), ascii_only=ascii_only)
    assert 0.0 <= found.code <= 1.0 and 0.0 <= found.non_latin <= 1.0
    assert 0.0 <= found.failure_share <= 1.0 and found.input_bytes >= 0
