"""OpenAI's Responses API by its own SDK, as it is, against a real server and simulated models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.clients.running import KEY, ROOT, Ledger, Running, run_python
from tests.clients.test_openai_sdk import PICTURE, options

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def client(turnout_server: Running) -> Iterator[OpenAI]:
    with OpenAI(**options(turnout_server)) as client:
        yield client


def test_an_answer(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """A whole response, from the model that the ledger says it is from, with its own usage."""
    raw = client.responses.with_raw_response.create(model="auto", input="Hello.", user=lane)
    answer = raw.parse()
    (entry,) = ledger.entries(lane)
    assert answer.output_text and answer.status == "completed" and answer.error is None
    assert answer.usage is not None and answer.usage.output_tokens == entry["output_tokens"]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert raw.headers["x-turnout-model"] == entry["arm"]
    assert answer._request_id == raw.headers["x-request-id"]


def test_a_stream(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """The SDK's own accumulation of the events comes to the response that the last event has."""
    with client.responses.stream(model="auto", input="Hello.", user=lane) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text != ""
    assert final.usage is not None and final.usage.output_tokens == ledger.entries(lane)[0]["output_tokens"]


@pytest.mark.parametrize("stateful", [True, False])
def test_a_tool_loop(client: OpenAI, ledger: Ledger, lane: str, stateful: bool) -> None:
    """The tool is called with arguments that fit; its output goes back, alone or with the whole input."""
    create: Any = client.responses.create
    asked: list[Any] = [{"role": "user", "content": "How is the weather in Bonn?"}]
    first = create(model="auto", input=asked, tools=[WEATHER], user=lane, store=stateful)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert call.name == "weather" and isinstance(json.loads(call.arguments)["city"], str)
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
    if stateful:
        last = create(model="auto", input=[output], previous_response_id=first.id, tools=[WEATHER], user=lane)
    else:
        whole = [*asked, *(item.model_dump() for item in first.output), output]
        last = create(model="auto", input=whole, tools=[WEATHER], user=lane, store=False)
    assert last.output_text and last.status == "completed"
    assert last.previous_response_id == (first.id if stateful else None)
    assert len(ledger.entries(lane)) == 2


class City(BaseModel):
    name: str
    people: int


def test_a_parsed_answer(client: OpenAI, lane: str) -> None:
    """Structured output comes back as the type that was asked for, streamed and not."""
    parsed = client.responses.parse(model="auto", input="A city.", text_format=City, user=lane)
    assert isinstance(parsed.output_parsed, City)
    with client.responses.stream(model="auto", input="A city.", text_format=City, user=lane) as stream:
        assert isinstance(stream.get_final_response().output_parsed, City)


def test_a_chain(client: OpenAI, lane: str) -> None:
    """Each response follows the one before; what it was made from can be listed, and forgotten."""
    create: Any = client.responses.create
    first = create(model="auto", input="One.", user=lane, metadata={"note": "kept"})
    second = create(model="auto", input="Two.", previous_response_id=first.id, user=lane)
    third = create(model="auto", input="Three.", previous_response_id=second.id, user=lane)
    assert third.usage.input_tokens > second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
    assert first.metadata == {"note": "kept"}
    listed = list(client.responses.input_items.list(third.id, limit=2, order="asc"))
    texts = [part.text for item in listed if item.type == "message" for part in item.content]
    assert texts == ["One.", first.output_text, "Two.", second.output_text, "Three."]
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="auto", input="Four.", previous_response_id=third.id, user=lane)
    assert caught.value.code == "previous_response_not_found"


def test_a_picture_goes_where_pictures_are_read(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """Given by the user, or returned by a tool."""
    create: Any = client.responses.create
    picture = {"type": "input_image", "image_url": PICTURE["image_url"]["url"], "detail": "auto"}
    create(model="auto", input=[{"role": "user", "content": [picture]}], user=lane)
    called = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    seen = {"type": "function_call_output", "call_id": "c", "output": [picture]}
    create(model="auto", input=[{"role": "user", "content": "Look."}, called, seen], user=lane)
    assert [model.partition("-")[0] for model in ledger.models(lane)] == ["qwen3.5", "qwen3.5"]


def test_hints(client: OpenAI, ledger: Ledger, lane: str) -> None:
    """By the model's name, by metadata and by the body, as in chat completions; none of them reaches a model."""
    create: Any = client.responses.create
    create(model="auto?models=qwen3.5-122b", input="Hello.", user=lane)
    create(model="auto", input="Hello.", user=lane, metadata={"turnout.models": "qwen3.5-122b"})
    create(model="auto", input="Hello.", user=lane, extra_body={"turnout": {"models": ["qwen3.5-122b"]}})
    assert ledger.models(lane) == ["qwen3.5-122b"] * 3
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="auto?accuracy=2", input="Hello.")
    assert caught.value.code == "invalid_hint"


def test_an_answer_that_is_cut_short(client: OpenAI, lane: str) -> None:
    """Says so, whole and streamed."""
    create: Any = client.responses.create
    asked = {"model": "auto?verify=none", "input": "Hello.", "user": lane, "max_output_tokens": 16}
    whole = create(**asked)
    events = list(create(**asked, stream=True))
    for response in (whole, events[-1].response):
        assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    assert events[-1].type == "response.incomplete"


def test_what_is_wrong_is_named(client: OpenAI) -> None:
    """As the SDK's own errors, by the field that the caller wrote."""
    create: Any = client.responses.create
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="auto", input=[{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}])
    assert caught.value.param == "input[0].content[0].type"
    with pytest.raises(openai.NotFoundError) as missing:
        create(model="nope", input="Hello.")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key=KEY + "x").responses.create(model="auto", input="Hello.")


def test_the_example_runs(turnout_server: Running) -> None:
    """examples/responses.py takes two steps and ends in an answer."""
    assert run_python(ROOT / "examples" / "responses.py", turnout_server).startswith("2 steps: ")
