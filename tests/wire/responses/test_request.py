"""Requests as chat completions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from router.errors import BadRequest
from router.wire import chat as wire_chat
from router.wire.responses import items, request
from router.wire.responses.request import Request

RESPONSE = "resp_0123456789abcdef01234567"
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}


def read(**fields: Any) -> Request:
    return request.read(json.dumps({"model": "auto", "input": "Hi.", **fields}).encode())


def chat(**fields: Any) -> dict[str, Any]:
    """The chat completion, which the chat dialect takes."""
    body = request.chat(read(**fields))
    wire_chat.parse(body)
    made: dict[str, Any] = json.loads(body)
    return made


HELLO = {"model": "auto", "messages": [{"role": "user", "content": "Hi."}]}


def test_a_text() -> None:
    """What is not asked for is not in it."""
    assert chat() == HELLO
    assert chat(instructions=None, tools=None, text=None, reasoning=None, metadata=None, stream=False) == {
        **HELLO,
        "stream": False,
    }


FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_output_tokens": 9}, {"max_tokens": 9}),
    ({"temperature": 0.5, "top_p": 0.9, "user": "u"}, {"temperature": 0.5, "top_p": 0.9, "user": "u"}),
    ({"service_tier": "flex"}, {"service_tier": "flex"}),
    ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    ({"stream_options": {"include_obfuscation": True}}, {}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {}),
    ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    ({"metadata": {"a": "b", "turnout.accuracy": "0.9"}}, {"metadata": {"turnout.accuracy": "0.9"}}),
    ({"metadata": {"a": "b"}}, {}),
    ({"turnout": {"accuracy": 0.9}, "top_k": 4}, {"turnout": {"accuracy": 0.9}, "top_k": 4}),
    ({"include": ["message.output_text.logprobs"], "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"include": ["reasoning.encrypted_content"]}, {}),
    ({"tool_choice": "auto", "parallel_tool_calls": True}, {}),
    ({"background": False, "conversation": None, "prompt": None, "moderation": None}, {}),
    ({"truncation": "auto", "max_tool_calls": 3, "context_management": [], "client_metadata": {"a": "b"}}, {}),
    ({"prompt_cache_key": "k", "safety_identifier": "s", "prompt_cache_retention": "24h", "store": False}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "sent"), FIELDS)
def test_fields(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    """Each in chat completions' terms; those of this dialect alone stay here, those of neither go on."""
    assert chat(**asked) == HELLO | sent


def test_tools() -> None:
    """With the choice among them, and whether several may be called at once."""
    made = chat(tools=[TOOL], tool_choice={"type": "function", "name": "f"}, parallel_tool_calls=False)
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert made["tools"] == [{"type": "function", "function": function}]
    assert made["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert made["parallel_tool_calls"] is False


def test_a_schema() -> None:
    """To the letter, with what is said about it."""
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"}
    asked = {"name": "n", "schema": schema, "strict": True, "description": "d"}
    assert chat(text={"format": form})["response_format"] == {"type": "json_schema", "json_schema": asked}
    bare = chat(text={"format": {"type": "json_schema", "schema": schema}})["response_format"]["json_schema"]
    assert bare == {"name": "response", "schema": schema}


def test_what_it_follows_comes_first() -> None:
    """The items of earlier responses, behind the instructions of this one."""
    history = items.read([msgspec.Raw(b'{"role":"user","content":"One."}')], "previous_response_id")
    made = json.loads(request.chat(read(instructions="i"), history))
    assert [message["content"] for message in made["messages"]] == ["i", "One.", "Hi."]


def test_references() -> None:
    """An item that is only named is put in its place; one that is not found is refused."""
    asked = read(input=[{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "Hi."}])
    assert asked.references == ("msg_1",)
    found = {"msg_1": msgspec.Raw(b'{"id":"msg_1","role":"user","content":"One."}')}
    made = json.loads(request.chat(request.resolved(asked, found)))
    assert [message["content"] for message in made["messages"]] == ["One.", "Hi."]
    with pytest.raises(BadRequest) as caught:
        request.chat(request.resolved(asked, {}))
    assert caught.value.param == "input[0].id"
    assert request.resolved(read(), found).references == ()


def test_every_item_gets_a_name() -> None:
    """By which it can be referred to later; a name that it has stays."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    other = {"type": "function_call_output", "call_id": "c", "output": "1", "id": "mine"}
    asked = read(input=[{"role": "user", "content": "Hi."}, call, other])
    named = [json.loads(bytes(raw)) for raw in request.named(asked, RESPONSE)]
    assert [item["id"] for item in named] == [f"msg_{RESPONSE[5:]}_i0", f"fc_{RESPONSE[5:]}_i1", "mine"]
    assert named[0] == {"type": "message", "role": "user", "content": "Hi.", "id": named[0]["id"]}
    (text,) = request.named(read(), RESPONSE)
    assert json.loads(bytes(text))["content"] == [{"type": "input_text", "text": "Hi."}]


def test_what_tells_one_prompt_cache_from_another_tells_the_run() -> None:
    """As it is where a run may be called so, else by a hash of it."""
    assert read().session is None and read(prompt_cache_key="").session is None
    assert read(prompt_cache_key="k-1").session == "k-1"
    hashed = read(prompt_cache_key="my key").session
    assert hashed is not None and hashed.startswith("key_") and " " not in hashed


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": None}, "input", "must be a string or a list"),
    ({"input": []}, "input", "must come to 1 to"),
    ({"input": [{"role": "user", "content": ""}] * 10_001}, "input", "at most 10000"),
    ({"background": True}, "background", "as long as its request"),
    ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
    ({"prompt": {"id": "p"}}, "prompt", "instructions"),
    ({"moderation": {}}, "moderation", "nobody"),
    ({"messages": []}, "messages", "Here it is input"),
    ({"max_tokens": 1}, "max_tokens", "Here it is max_output_tokens"),
    ({"max_output_tokens": 0}, "max_output_tokens", "from 1"),
    ({"top_logprobs": 21}, "top_logprobs", "from 0 to 20"),
    ({"instructions": 7}, "instructions", "must be a string"),
    ({"metadata": {"a": {}}}, "metadata.a", "must be a string"),
    ({"metadata": 7}, "metadata", "must be an object"),
    ({"include": "x"}, "include", "must be a list"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "must be text"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "must be a JSON schema"),
    ({"reasoning": {"effort": 7}}, "reasoning.effort", "must be a string"),
    ({"store": "yes"}, "store", "must be true or false"),
    ({"tools": json.loads("[" * 80 + "]" * 80)}, "tools", "nested too deeply"),
    ({"input": json.loads("[" * 80 + "]" * 80)}, "input", "nested too deeply"),
]


@pytest.mark.parametrize(("fields", "param", "words"), REFUSED)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str, words: str) -> None:
    """By the field, with what would be right."""
    with pytest.raises(BadRequest, match=words) as caught:
        request.chat(read(**fields))
    assert caught.value.param == param


def test_an_input_must_be_there() -> None:
    """Instructions alone are none."""
    with pytest.raises(BadRequest) as caught:
        request.read(b'{"model":"auto","instructions":"i"}')
    assert caught.value.param == "input"
