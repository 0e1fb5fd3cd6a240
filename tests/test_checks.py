"""The checks: what each refuses, what it lets pass, and when it has nothing to say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.checks import garbled, judge
from router.hints import CHECKS
from router.step import StepRequest
from router.wire import chat
from router.wire.answer import Answer, Choice, ToolCall

PARAMETERS = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
TOOLS = [
    {"type": "function", "function": {"name": "look", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "now"}},
    {"type": "function", "function": {"name": "odd", "parameters": {"$ref": "http://127.0.0.1:1/x"}}},
    {"type": "custom", "custom": {"name": "grep"}},
]
SECRET = "secret"


def request(**fields: Any) -> StepRequest:
    return chat.parse(json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}], **fields}).encode())


def schema(value: Any) -> StepRequest:
    return request(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": value}})


def calls(*pairs: tuple[str, str]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name, arguments) for name, arguments in pairs)


def one(name: str, step: StepRequest, **choice: Any) -> str | None:
    """The reason why the answer of one choice fails, "" where it passes, None where the check has nothing to judge."""
    results = judge(Answer((Choice(**choice),)), step, (name,))
    if not results:
        return None
    (result,) = results
    assert (result.name, result.passed) == (name, result.reason == "")
    return result.reason


NUMBER = schema({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
ANY = request(response_format={"type": "json_object"})
SCHEMA: list[tuple[StepRequest, dict[str, Any], str | None]] = [
    (NUMBER, {"content": '{"n": 1}'}, ""),
    (NUMBER, {"content": ' \n{"n": 1}\n'}, ""),
    (NUMBER, {"content": '{"n": "secret"}'}, "the content breaks the schema at /properties/n/type"),
    (NUMBER, {"content": "{}"}, "the content breaks the schema at /required"),
    (NUMBER, {"content": '```json\n{"n": 1}\n```'}, "the content is not JSON"),
    (NUMBER, {"content": '{"n": 1'}, "the content is not JSON"),
    (NUMBER, {"content": '{"n": NaN}'}, "the content is not JSON"),
    (NUMBER, {"content": "\ud800"}, "the content is not JSON"),
    (NUMBER, {"content": "[" * 100_000}, "the content is nested too deeply"),
    (NUMBER, {"content": " "}, "the content is empty"),
    (NUMBER, {"content": "", "refusal": "no"}, "the content is empty"),
    (NUMBER, {"content": "", "tool_calls": calls(("look", "{}"))}, None),
    (NUMBER, {"content": "so", "tool_calls": calls(("look", "{}"))}, "the content is not JSON"),
    (ANY, {"content": "{}"}, ""),
    (ANY, {"content": "[]"}, "the content breaks the schema at /type"),
    (schema({}), {"content": "[]"}, ""),
    (schema({"type": "strin"}), {"content": "no"}, None),
    (schema({"$ref": "http://127.0.0.1:1/x"}), {"content": "no"}, None),
    (request(), {"content": "no"}, None),
]


@pytest.mark.parametrize(("step", "choice", "reason"), SCHEMA)
def test_schema(step: StepRequest, choice: dict[str, Any], reason: str | None) -> None:
    """The content is JSON that meets the schema; a schema that cannot be used, or a tool call, is not judged."""
    assert one("schema", step, **choice) == reason


OFFERED = request(tools=TOOLS)
REQUIRED = request(tools=TOOLS, tool_choice="required")
NAMED = request(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "look"}})
GOOD = ("look", '{"key": "a"}')
LEAKED = "a tool call was written as text"
TOOL_CASES: list[tuple[StepRequest, dict[str, Any], str | None]] = [
    (OFFERED, {"content": "hi"}, ""),
    (OFFERED, {"tool_calls": calls(GOOD)}, ""),
    (OFFERED, {"tool_calls": calls(GOOD, ("now", ""), ("now", "{}"), ("grep", "not json"), ("odd", "{}"))}, ""),
    (OFFERED, {"tool_calls": calls(GOOD, (SECRET, "{}"))}, "call 1 names no tool that was offered"),
    (OFFERED, {"tool_calls": calls(("look", '{"key":'))}, "the arguments of call 0: is not JSON"),
    (OFFERED, {"tool_calls": calls(("look", '"secret"'))}, "the arguments of call 0: are no JSON object"),
    (
        OFFERED,
        {"tool_calls": calls(("look", '{"key": 1}'))},
        "the arguments of call 0: breaks the schema at /properties/key/type",
    ),
    (OFFERED, {"tool_calls": calls(("look", ""))}, "the arguments of call 0: breaks the schema at /required"),
    (OFFERED, {"content": '<tool_call>{"name": "look"}</tool_call>'}, "a tool call was written as text"),
    (OFFERED, {"content": "<function=look><parameter=key>"}, "a tool call was written as text"),
    (OFFERED, {"content": "<TOOLCALL>[]</TOOLCALL>"}, "a tool call was written as text"),
    (OFFERED, {"content": '[TOOL_CALLS] [{"name"'}, "a tool call was written as text"),
    (OFFERED, {"content": "<｜tool▁calls▁begin｜>"}, LEAKED),
    (OFFERED, {"content": "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0"}, LEAKED),
    (OFFERED, {"content": '<|python_tag|>{"name": "look"}'}, LEAKED),
    (OFFERED, {"content": '<function_calls>\n<invoke name="look">'}, LEAKED),
    (OFFERED, {"content": "<|channel|>commentary to=functions.look <|message|>{}"}, LEAKED),
    (OFFERED, {"content": "so\n<parameter=key>\na\n</parameter>"}, LEAKED),
    (OFFERED, {"content": "</tool_call>"}, LEAKED),
    (OFFERED, {"content": '{"name": "look", "arguments": {"key": "a"}}'}, LEAKED),
    (OFFERED, {"content": ' ```json\n[{"name": "look", "parameters": {}}]\n``` '}, LEAKED),
    (OFFERED, {"content": '{"name": "Mira", "arguments": {}}'}, ""),
    (OFFERED, {"content": '{"name": "look", "size": 2}'}, ""),
    (OFFERED, {"content": '{"name": ["look"]}'}, ""),
    (OFFERED, {"content": '[{"name": "look", "arguments": {}}, 3]'}, ""),
    (OFFERED, {"content": 'It sends {"name": "look", "arguments": {}}.'}, ""),
    (OFFERED, {"content": '{"name": '}, ""),
    (OFFERED, {"content": "Qwen writes `<tool_call>` first:\n```\n<function=look>\n```\nand then stops."}, ""),
    (OFFERED, {"content": "", "reasoning": "<tool_call>{}</tool_call>"}, LEAKED),
    (OFFERED, {"content": "Done.", "reasoning": "I may write <tool_call> here."}, ""),
    (OFFERED, {"content": "", "reasoning": "<tool_call>", "tool_calls": calls(GOOD)}, ""),
    (OFFERED, {"content": "<tool_call>", "tool_calls": calls(GOOD)}, LEAKED),
    (
        request(tools=TOOLS, response_format={"type": "json_object"}),
        {"content": '{"name": "look", "arguments": {}}'},
        "",
    ),
    (REQUIRED, {"tool_calls": calls(GOOD)}, ""),
    (REQUIRED, {"content": "hi"}, "no tool was called though one must be"),
    (NAMED, {"tool_calls": calls(GOOD)}, ""),
    (NAMED, {"content": "hi"}, "no tool was called though one must be"),
    (NAMED, {"tool_calls": calls(("now", "{}"))}, "the tool that must be called was not"),
    (request(tools=TOOLS, tool_choice="none"), {"tool_calls": calls(GOOD)}, "a tool was called though none may be"),
    (request(tools=TOOLS, tool_choice="none"), {"content": "hi"}, ""),
    (request(), {"content": "<tool_call>"}, None),
]


@pytest.mark.parametrize(("step", "choice", "reason"), TOOL_CASES)
def test_tools(step: StepRequest, choice: dict[str, Any], reason: str | None) -> None:
    """Calls name what was offered, with arguments that fit; a demanded call came; none leaked into the text."""
    assert one("tools", step, **choice) == reason


PLAIN = request()


@pytest.mark.parametrize(("finish", "reason"), [("stop", ""), (None, ""), ("length", "cut off at the token limit")])
def test_length(finish: str | None, reason: str) -> None:
    """An answer cut off at its limit is not whole."""
    assert one("length", PLAIN, content="a", finish_reason=finish) == reason


@pytest.mark.parametrize(
    ("choice", "passes"),
    [
        ({"content": "a"}, True),
        ({"refusal": "no"}, True),
        ({"tool_calls": calls(GOOD)}, True),
        ({"audio": True}, True),
        ({"content": " \n"}, False),
        ({"reasoning": "I think"}, False),
        ({}, False),
    ],
)
def test_nonempty(choice: dict[str, Any], passes: bool) -> None:
    """Reasoning alone is no answer."""
    assert (one("nonempty", PLAIN, **choice) == "") == passes


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I can’t assist with that request.",
    "Sorry. I am unable to comply.",
    "As an AI, I cannot fulfill this request.",
    "I must decline.",
    "I'm not comfortable writing that.",
    "Es tut mir leid, aber dabei kann ich dir leider nicht helfen.",
    "Désolé, je ne peux pas vous aider avec cela.",
    "Je ne suis pas en mesure de répondre à cette demande.",
    "Lo siento, no puedo ayudarte con eso.",
    "Desculpe, não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti.",
    "Извините, я не могу вам помочь с этим.",
    "抱歉，我无法提供这方面的帮助。",
    "申し訳ありませんが、そのご依頼にはお答えできません。",
    "죄송하지만 그 요청은 도와드릴 수 없습니다.",
]
ANSWERS = [
    "I can't help but admire this. The bug is in line 3.",
    "I'm sorry for the confusion. The file is at a.py.",
    "I cannot find the file config.yaml; it seems to be missing.",
    "The function can't help the caller, since it returns None.",
    "I won't repeat the whole file. Here is the patch:",
    "Unfortunately the test still fails, because x is None.",
    '{"answer": "no"}',
    "x" * 300 + " I can't help with that.",
    "抱歉让你久等了，结果如下。",
    "",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_plain_refusals_are_seen(text: str) -> None:
    """In the ten languages known; beside a tool call the same words are no refusal."""
    assert one("refusal", PLAIN, content=text) == "the text reads as a refusal"
    assert one("refusal", PLAIN, content=text, tool_calls=calls(GOOD)) == ""


@pytest.mark.parametrize("text", ANSWERS)
def test_ordinary_answers_are_no_refusals(text: str) -> None:
    """Apologies, negations and quotations pass."""
    assert one("refusal", PLAIN, content=text) == ""


def test_refusals_that_the_protocol_tells() -> None:
    """The refusal field and the content filter."""
    assert one("refusal", PLAIN, refusal="No.") == "the model refused"
    assert one("refusal", PLAIN, content="a", finish_reason="content_filter") == "stopped by a content filter"


def test_every_choice_must_pass() -> None:
    """One bad choice of several fails the answer; choices that are not judged do not count."""
    good, bad, silent = Choice(0, "{}"), Choice(1, "[]"), Choice(2, tool_calls=calls(GOOD))
    assert [r.passed for r in judge(Answer((good, bad)), ANY, ("schema",))] == [False]
    assert [r.passed for r in judge(Answer((good, silent)), ANY, ("schema",))] == [True]


def test_results_come_in_the_order_asked() -> None:
    """Only checks that judged anything, in the order of the names; unknown names are nobody's."""
    results = judge(
        Answer((Choice(content="a"),)), PLAIN, ("refusal", "schema", "nonempty", "tools", "length", "unknown")
    )
    assert [r.name for r in results] == ["refusal", "nonempty", "length"]


WORD = "zqxjkv"


@given(
    st.sampled_from(["", "{", '{"n": "', '{"n": 1, "', "<tool_call>", "I can't help "]),
    st.sampled_from(["", '"}', '": 1}']),
)
def test_reasons_never_hold_the_answers_text(before: str, after: str) -> None:
    """Whatever is wrong, it is told without quoting."""
    text = before + WORD + after
    step = request(tools=TOOLS, response_format=json.loads(bytes(NUMBER.fields["response_format"])))
    strict = schema({"additionalProperties": False, "enum": [1]})
    for call in ((), calls((WORD, text)), calls(("look", text))):
        answer = Answer((Choice(content=text, tool_calls=call, refusal=WORD, finish_reason="length"),))
        for asked in (step, strict):
            results = judge(answer, asked, CHECKS)
            assert results and all(WORD not in r.reason for r in results)


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ((), None),
        ((("look", '{"key": "x"}'),), False),
        ((("look", '{"key": 1}'),), False),
        ((("now", ""),), False),
        ((("look", '{"key": "x'),), True),
        ((("unheard", "{"),), True),
        ((("look", "{}"), ("look", "}")), True),
        ((("grep", "no {json"),), None),
        ((("grep", "no {json"), ("look", "{}")), False),
    ],
)
def test_a_call_whose_arguments_are_no_json_is_garbled(calls: tuple[tuple[str, str], ...], found: bool | None) -> None:
    """Whatever the schema says; tools that take free text cannot be."""
    choice = Choice(tool_calls=tuple(ToolCall(name, arguments) for name, arguments in calls))
    assert garbled(Answer((Choice(), choice)), request(tools=TOOLS)) is found
