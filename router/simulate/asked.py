"""A chat request as a simulated server reads it, and its refusals in vLLM's words."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from router.beliefs.tokens import Counts
from router.catalog import Mode, Model
from router.errors import BadRequest
from router.simulate import tasks
from router.simulate.kinds import KEY, Seen
from router.simulate.schema import instance
from router.simulate.world import Step
from router.step import facts
from router.wire import chat

ENDS = re.compile(r"final|finish|submit|complete|done", re.IGNORECASE)
"""Names of tools that end an agent's task: what is called once there is an answer and a tool has to be called."""


class Refused(Exception):
    """An answer that is an error: status and body as vLLM has them."""

    def __init__(self, status: int, message: str, type: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": type, "param": param, "code": status}}


class Function(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class Tool(msgspec.Struct):
    function: Function


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class Wire(msgspec.Struct):
    """The members of the body that matter here; all others are ignored, as vLLM ignores them."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    reasoning: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A call that the right answer makes."""

    name: str
    arguments: dict[str, Any]


class Asked(msgspec.Struct):
    """What a request comes to."""

    wire: Wire
    mode: Mode
    lane: str
    """The OpenAI `user` field: attempts are counted apart for each."""
    step: Step
    """The task's, or of a class `chat` named by the prompt itself where no task is in it."""
    question: str | None
    """None where no task is in the prompt."""
    seen: Seen
    calls: tuple[Wanted, ...]
    """Tools to be called before there is an answer, in order."""
    schema: dict[str, Any] | None
    """Of the answer, `{}` for any JSON object, None for plain text."""
    prompt_tokens: int
    max_tokens: int
    """Room for the answer."""

    @property
    def n(self) -> int:
        return self.wire.n or 1


_DECODER = msgspec.json.Decoder(Wire)


def read(body: bytes, model: Model, served: str, window: int) -> Asked:
    """The request. Raises Refused as vLLM would: body, model name, modality, context length."""
    try:
        wire = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(400, f"{error}") from None
    if wire.model not in (served, model.name):
        raise Refused(404, f"The model `{wire.model}` does not exist.", "NotFoundError", "model")
    if not wire.messages:
        raise Refused(400, "messages must not be empty", param="messages")
    if (wire.n or 1) not in range(1, 17):
        raise Refused(400, f"n must be from 1 to 16, got {wire.n}.", param="n")
    texts, images = _content(wire.messages)
    if images and "image" not in model.modalities:
        raise Refused(400, f"{served} is not a multimodal model")
    prompt = _count(body, model)
    results, looked_up = _results(wire.messages)
    step, question = _task(texts, len(looked_up))
    return Asked(
        wire=wire,
        mode=_mode(wire, model),
        lane=wire.user or "",
        step=step,
        question=question,
        seen=Seen(tuple(images), results),
        calls=_calls(wire, question, results),
        schema=_schema(wire.response_format),
        prompt_tokens=prompt,
        max_tokens=_room(wire, prompt, window),
    )


def _content(messages: list[Message]) -> tuple[list[str], list[str]]:
    """All texts, and all image URLs, in order."""
    texts: list[str] = []
    images: list[str] = []
    for message in messages:
        parts = (
            message.content if isinstance(message.content, list) else [{"type": "text", "text": message.content or ""}]
        )
        for part in parts:
            if part.get("type") == "image_url":
                url = part.get("image_url")
                images.append(str(url.get("url") if isinstance(url, dict) else url))
            elif part.get("type") in ("text", "input_text"):
                texts.append(str(part.get("text") or ""))
            else:
                raise Refused(400, f"Unknown part type: {part.get('type')}", param="messages")
    return texts, images


def _room(wire: Wire, prompt: int, window: int) -> int:
    """Tokens that the answer may have. Raises Refused where prompt and answer do not fit."""
    asked = wire.max_completion_tokens if wire.max_completion_tokens is not None else wire.max_tokens
    if asked is not None and asked < 1:
        raise Refused(400, f"max_tokens must be at least 1, got {asked}.", param="max_tokens")
    if prompt + (asked or 1) > window:
        raise Refused(
            400,
            f"This model's maximum context length is {window} tokens. However, you requested {asked or 0} output "
            f"tokens and your prompt contains at least {prompt} input tokens, for a total of at least "
            f"{prompt + (asked or 0)} tokens. Please reduce the length of the input prompt or the number of requested "
            "output tokens.",
            param="input_tokens",
        )
    return asked or window - prompt


def _mode(wire: Wire, model: Model) -> Mode:
    """The thinking mode asked for, in vLLM's, DashScope's, OpenRouter's or OpenAI's way; thinking is the default."""
    template, router = wire.chat_template_kwargs or {}, wire.reasoning or {}
    effort = router.get("effort") or wire.reasoning_effort
    on = next(
        (
            bool(x)
            for x in (template.get("enable_thinking"), wire.enable_thinking, router.get("enabled"))
            if x is not None
        ),
        None,
    )
    mode: Mode = "on"
    if on is False or effort == "none":
        mode = "off"
    elif template.get("low_effort") or effort in ("low", "minimal"):
        mode = "low"
    if mode in model.thinking:
        return mode
    return "on" if "on" in model.thinking else next(iter(model.thinking))


def _schema(form: dict[str, Any] | None) -> dict[str, Any] | None:
    kind = (form or {}).get("type")
    if kind == "json_object":
        return {}
    if form is None or kind != "json_schema":
        return None
    schema = (form.get("json_schema") or {}).get("schema")
    if not isinstance(schema, dict):
        raise Refused(400, "response_format.json_schema.schema must be an object", param="response_format")
    return schema


def _results(messages: list[Message]) -> tuple[dict[str, int], list[str]]:
    """Stock by key from the tool's answers that can be read, and the ids of all answers."""
    found: dict[str, int] = {}
    ids = [m.tool_call_id or "" for m in messages if m.role == "tool"]
    for message in messages:
        if message.role == "tool" and isinstance(message.content, str):
            try:
                data = json.loads(message.content)
            except ValueError:
                continue
            if isinstance(data, dict) and isinstance(data.get("key"), str) and isinstance(data.get("stock"), int):
                found[data["key"]] = data["stock"]
    return found, ids


def _task(texts: list[str], turns: int) -> tuple[Step, str | None]:
    """The last task in the prompt. Each answer of a tool makes it a further step, with its own difficulty."""
    for text in reversed(texts):
        heads = list(tasks.HEADER.finditer(text))
        if heads:
            head = heads[-1]
            name = f"{head[1]}-{head[2]}" + (f"+{turns}" if turns else "")
            return Step(name, head[1]), text[head.end() :].strip()
    return Step(f"free:{texts[-1][:400] if texts else ''}", "chat"), None


def _calls(wire: Wire, question: str | None, results: dict[str, int]) -> tuple[Wanted, ...]:
    """What to call before answering: nothing where no tool is offered or none may be used."""
    offered = {tool.function.name: tool.function for tool in wire.tools or ()}
    if not offered or wire.tool_choice == "none":
        return ()
    if question is not None and tasks.TOOL in offered:
        missing = [Wanted(tasks.TOOL, {"key": k}) for k in dict.fromkeys(KEY.findall(question)) if k not in results]
        return tuple(missing[:1] if wire.parallel_tool_calls is False else missing)
    if question is not None or wire.messages[-1].role == "tool" or _acted(wire):
        ends = [f for f in offered.values() if ENDS.search(f.name)] if wire.tool_choice == "required" else []
        return tuple(Wanted(f.name, instance(f.parameters, f.parameters) or {}) for f in ends[:1])
    named = wire.tool_choice.get("function", {}).get("name") if isinstance(wire.tool_choice, dict) else None
    chosen = [f for f in offered.values() if named in (None, f.name)]
    wanted = [Wanted(f.name, instance(f.parameters, f.parameters) or {}) for f in chosen]
    return tuple(wanted if wire.parallel_tool_calls else wanted[:1])


def _acted(wire: Wire) -> bool:
    """Whether a tool has to be called though one has been: some agents tell of results in messages of the user."""
    return wire.tool_choice == "required" and any(m.role == "assistant" for m in wire.messages)


def _count(body: bytes, model: Model) -> int:
    """Input tokens. The router's own count, so that there is nothing to correct and its choices hold in any order."""
    try:
        return Counts().count(model, facts(chat.parse(body)))[0]
    except BadRequest as error:
        raise Refused(400, error.message, param=error.param) from None
