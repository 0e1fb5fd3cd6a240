"""The Anthropic Python SDK, as it is, against a real server and simulated models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from router.simulate import png
from tests.clients.running import KEY, PATIENCE_S, ROOT, Ledger, Running, run_python
from tests.clients.test_openai_sdk import LARGE, NEMOTRON, QWEN, lasting

HELLO: list[Any] = [{"role": "user", "content": "Hello."}]
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "Looks out of the window.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
PICTURE = {
    "type": "image",
    "source": {
        "type": "base64",
        "media_type": "image/png",
        "data": png.as_url(png.paint("red", 64, 32)).partition(",")[2],
    },
}


def options(server: Running) -> dict[str, Any]:
    return {"base_url": server.url, "api_key": KEY, "max_retries": 0, "timeout": PATIENCE_S}


@pytest.fixture
def client(turnout_server: Running) -> Iterator[Anthropic]:
    with Anthropic(**options(turnout_server)) as client:
        yield client


@pytest.fixture
async def asynchronous(turnout_server: Running) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(**options(turnout_server)) as client:
        yield client


def asked(lane: str, **more: Any) -> dict[str, Any]:
    return {"model": "auto", "max_tokens": 4000, "messages": HELLO, "metadata": {"user_id": lane}, **more}


def ask(client: Anthropic, lane: str, *, stream: bool = False, **more: Any) -> Any:
    """A message, whole, or put together by the SDK from a stream."""
    if not stream:
        return client.messages.create(**asked(lane, **more))
    with client.messages.stream(**asked(lane, **more)) as events:
        return events.get_final_message()


def text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("stream", [False, True])
def test_a_message(client: Anthropic, ledger: Ledger, lane: str, stream: bool) -> None:
    """Text, a reason, and the usage that the ledger says."""
    message = ask(client, lane, stream=stream, system="Be kind.")
    (entry,) = ledger.entries(lane)
    assert text(message) and message.stop_reason == "end_turn" and message.role == "assistant"
    assert message.usage.output_tokens == entry["output_tokens"] and message.usage.input_tokens > 0
    assert [block.type for block in message.content] == ["text"]


def test_turnouts_headers(client: Anthropic, ledger: Ledger, lane: str) -> None:
    """The arm and the decision, beside the request's id, which the SDK shows."""
    raw = client.messages.with_raw_response.create(**asked(lane))
    (entry,) = ledger.entries(lane)
    assert raw.headers["x-turnout-model"] == entry["arm"]
    assert raw.headers["x-turnout-decision-id"].startswith("dec_")
    assert raw.parse()._request_id == raw.headers["request-id"] == raw.headers["x-request-id"]


def test_events_one_by_one(client: Anthropic, lane: str) -> None:
    """Raw events in their order, the SDK's own types."""
    events = list(client.messages.create(**asked(lane, stream=True)))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds[1] == "content_block_start" and kinds[-3] == "content_block_stop"
    assert kinds.count("content_block_delta") == len(kinds) - 5 > 1


async def test_the_asynchronous_client(asynchronous: AsyncAnthropic, ledger: Ledger, lane: str) -> None:
    """The same, streamed and not."""
    whole = await asynchronous.messages.create(**asked(lane))
    async with asynchronous.messages.stream(**asked(lane)) as events:
        said = "".join([piece async for piece in events.text_stream])
    assert text(whole) and said and len(ledger.entries(lane)) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_calls_a_tool_and_answers(client: Anthropic, ledger: Ledger, lane: str, stream: bool) -> None:
    """Two steps through `auto`: a call with arguments that fit, then the answer to the tool's result."""
    talk: list[Any] = [{"role": "user", "content": "What is it like in Rome?"}]
    first = ask(client, lane, stream=stream, messages=talk, tools=[WEATHER], model="auto?step=tool_use")
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use" and call.name == "weather" and isinstance(call.input["city"], str)
    talk.append({"role": "assistant", "content": first.content})
    talk.append(
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": '{"sun": true}'}]}
    )
    last = ask(client, lane, stream=stream, messages=talk, tools=[WEATHER], model="auto?step=tool_use")
    assert text(last) and last.stop_reason == "end_turn"
    entries = ledger.entries(lane)
    assert len(entries) == 2 and all(entry["fault"] is None for entry in entries)


def test_the_sdks_own_tool_loop(client: Anthropic, ledger: Ledger, lane: str) -> None:
    """Its runner makes the schema, calls the function, sends the result, and stops at the answer."""
    seen: list[str] = []

    @anthropic.beta_tool
    def stock(item: str) -> str:
        """How many of an item are in stock.

        Args:
            item: What to look for.
        """
        seen.append(item)
        return "40"

    runner = client.beta.messages.tool_runner(
        **asked(lane, tools=[stock], messages=[{"role": "user", "content": "How many bolts have we?"}])
    )
    assert text(runner.until_done()) and len(seen) == 1
    assert len(ledger.entries(lane)) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("thinking", "arms"),
    [({"type": "enabled", "budget_tokens": 8000}, {"on"}), ({"type": "disabled"}, {"off"})],
    ids=["enabled", "disabled"],
)
def test_thinking(
    client: Anthropic, ledger: Ledger, lane: str, stream: bool, thinking: dict[str, Any], arms: set[str]
) -> None:
    """It pins the mode; its block comes first, with a signature, and may be sent back."""
    message = ask(client, lane, stream=stream, thinking=thinking, max_tokens=16_000)
    assert {entry["arm"].partition("/")[2] for entry in ledger.entries(lane)} == arms
    kinds = [block.type for block in message.content]
    assert kinds == (["thinking", "text"] if arms == {"on"} else ["text"])
    if arms == {"on"}:
        assert message.content[0].thinking and message.content[0].signature
    talk = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": "Go on."}]
    assert text(ask(client, lane, messages=talk))


class Order(BaseModel):
    customer: str
    quantity: int


def test_structured_outputs(client: Anthropic, lane: str) -> None:
    """A pydantic model goes out as a schema, and the answer comes back as its instance."""
    message = client.messages.parse(**asked(lane, output_format=Order))
    assert isinstance(message.parsed_output, Order)


def test_a_picture_goes_to_a_model_that_sees(client: Anthropic, ledger: Ledger, lane: str) -> None:
    """From the user, and from a tool: Nemotron reads text alone, so Qwen gets it."""
    look = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    shown = {"type": "tool_result", "tool_use_id": "t1", "content": [PICTURE]}
    question = {"type": "text", "text": "What colour is it?"}
    for talk in (
        [{"role": "user", "content": [PICTURE, question]}],
        [*HELLO, {"role": "assistant", "content": [look]}, {"role": "user", "content": [shown, question]}],
    ):
        assert text(ask(client, lane, messages=talk))
    models = ledger.models(lane)
    assert len(models) == 2 and all(name.startswith("qwen3.5") for name in models)


WAYS: list[dict[str, Any]] = [
    {"model": f"claude-sonnet-5?models={QWEN}"},
    {"extra_headers": {"x-turnout-models": QWEN}},
    {"extra_body": {"turnout": {"models": [QWEN]}}},
    {"model": QWEN},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_hints_reach_the_router(client: Anthropic, ledger: Ledger, lane: str, way: dict[str, Any]) -> None:
    """Model string, headers and body; a model of Anthropic's is an alias of `auto`."""
    ask(client, lane, **way)
    assert ledger.models(lane) == [QWEN]


def test_counting_tokens(client: Anthropic, ledger: Ledger, lane: str) -> None:
    """Near what the model then counts itself."""
    system = "The quick brown fox jumps over the lazy dog. " * 200
    counted = client.messages.count_tokens(model=NEMOTRON, system=system, messages=HELLO).input_tokens
    used = ask(client, lane, model=NEMOTRON, system=system).usage.input_tokens
    assert used / 1.5 < counted < used * 1.5


def test_models(client: Anthropic) -> None:
    """The list in the SDK's types, its pages included, and one by its name."""
    names = [model.id for model in client.models.list(limit=3)]
    assert {"auto", "auto:apache-only", NEMOTRON, QWEN} <= set(names) and len(names) == len(set(names))
    model = client.models.retrieve(QWEN)
    assert model.display_name and model.max_input_tokens == 262_144 and model.created_at.year == 1970


FAULTS: list[tuple[dict[str, Any], type[anthropic.APIStatusError], str]] = [
    ({"model": "other-17"}, anthropic.NotFoundError, "not_found_error"),
    ({"model": "auto?accuracy=2"}, anthropic.BadRequestError, "invalid_request_error"),
    ({"extra_headers": {"x-turnout-retries": "9"}}, anthropic.BadRequestError, "invalid_request_error"),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        anthropic.BadRequestError,
        "invalid_request_error",
    ),
    (
        {"model": NEMOTRON, "messages": [{"role": "user", "content": [PICTURE]}]},
        anthropic.BadRequestError,
        "invalid_request_error",
    ),
]


@pytest.mark.parametrize(("fields", "expected", "kind"), FAULTS, ids=str)
def test_mistakes_raise_what_the_sdk_documents(
    client: Anthropic, ledger: Ledger, lane: str, fields: dict[str, Any], expected: Any, kind: str
) -> None:
    """The class for the status, with Anthropic's type in its body; and no model hears of it."""
    with pytest.raises(expected) as caught:
        ask(client, lane, **fields)
    assert caught.value.body["error"]["type"] == kind and caught.value.request_id
    assert ledger.entries(lane) == []


def test_a_wrong_key(turnout_server: Running) -> None:
    """401, for each of the paths."""
    with Anthropic(**{**options(turnout_server), "api_key": "sk-wrong"}) as client:
        for act in (
            lambda: ask(client, "none"),
            lambda: client.messages.count_tokens(model="auto", messages=HELLO),
            client.models.list,
        ):
            with pytest.raises(anthropic.AuthenticationError) as caught:
                act()
            assert caught.value.body["error"]["type"] == "authentication_error"  # type: ignore[index,call-overload]


def test_leaving_a_stream_ends_it_at_the_model(client: Anthropic, ledger: Ledger, lane: str) -> None:
    """As in a chat completion."""
    stream = client.messages.create(
        **asked(lane, model=LARGE, messages=lasting(60_000), max_tokens=80_000, stream=True)
    )
    next(iter(stream))
    stream.close()
    assert ledger.wait(lane, "left")["output_tokens"] > 30_000


def test_the_example_runs(turnout_server: Running) -> None:
    """examples/anthropic_sdk.py does what it says."""
    said = run_python(ROOT / "examples" / "anthropic_sdk.py", turnout_server)
    for part in ("plain", "streamed", "agent"):
        assert f"-- {part}\n" in said
    assert "calls stock\n" in said
