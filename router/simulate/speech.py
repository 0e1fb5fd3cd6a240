"""What a simulated model says: the answer, right or wrong, in as many tokens as the draw wants."""

from __future__ import annotations

import json

import msgspec

from router.catalog import Arm, Model
from router.simulate import tasks
from router.simulate.asked import Asked
from router.simulate.draws import hexadecimal
from router.simulate.schema import instance
from router.simulate.world import World

TEXT_CAP = 4096
"""Tokens of text that are really written; beyond, usage counts on and the text is cut short in the middle."""
REFUSAL = "I'm sorry, but I can't help with that request."
THOUGHT = "Let me read the task again and check each number before I answer. "
PROSE = "First the inputs, then the steps in order, each checked against the one before it. "


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    name: str
    arguments: str


class Said(msgspec.Struct, frozen=True):
    """One choice of an answer."""

    content: str | None
    thought: str
    calls: tuple[ToolCall, ...]
    finish_reason: str
    visible: int
    """Tokens, as usage has them."""
    reasoning: int
    right: bool
    form: str
    """`right`, or how it failed: wrong, empty, refusal, malformed, cut."""

    @property
    def tokens(self) -> int:
        return self.visible + self.reasoning


def speak(asked: Asked, arm: Arm, world: World, attempt: int) -> Said:
    """What attempt number `attempt` (from 1) of `arm` comes to. Pure."""
    right = asked.question is None or world.right(arm, asked.step, attempt)
    form = "right" if right else world.form(arm, asked.step, attempt)
    key = (asked.step.name, arm.name, attempt)
    calls = _calls(asked, form, key)
    core = None if calls else _core(asked, form, key)
    length = world.length(arm, asked.step, attempt)
    bare = form in ("empty", "refusal")
    visible = _bare(form, calls, core, arm.model) if calls or bare or asked.schema is not None else length.visible
    content = None if calls or core is None else _dress(core, visible, asked)
    return _cut(
        Said(content, _text(THOUGHT, length.reasoning), calls, "", visible, length.reasoning, right, form),
        asked.max_tokens,
    )


def _bare(form: str, calls: tuple[ToolCall, ...], core: str | None, model: Model) -> int:
    """Tokens of what is nothing but itself: calls, JSON, a refusal."""
    text = "".join(c.name + c.arguments for c in calls) + (core or "")
    return 1 if form == "empty" else max(1, round(len(text) / model.tokens.code))


def _core(asked: Asked, form: str, key: tuple[object, ...]) -> str | None:
    """The words that matter: an answer line, JSON, a refusal, or nothing."""
    if form == "empty":
        return ""
    if form == "refusal":
        return REFUSAL
    answer = _answer(asked)
    if form != "right":
        answer = tasks.mistake(answer, *key)
    if asked.schema is not None:
        return answer if form != "malformed" else answer[: len(answer) * 2 // 3]
    return f"ANSWER: {answer}" if form != "malformed" else f"So it is {answer}."


def _answer(asked: Asked) -> str:
    """The right answer where there is a task; else something of the right shape."""
    if asked.question is not None:
        try:
            return tasks.solve(asked.step.step_class, asked.question, asked.seen)
        except ValueError:
            return "unknown"  # the prompt does not hold what is needed: nobody can answer rightly
    if asked.schema is not None:
        return json.dumps(instance(asked.schema, asked.schema))
    return "this text is simulated; the prompt holds no task of a kind that the simulated models know"


def _calls(asked: Asked, form: str, key: tuple[object, ...]) -> tuple[ToolCall, ...]:
    if form in ("empty", "refusal"):
        return ()
    calls: list[ToolCall] = []
    for i, wanted in enumerate(asked.calls):
        arguments = json.dumps(wanted.arguments)
        if form == "wrong" and i == 0:
            arguments = tasks.mistake(arguments, *key)
        call_id = "chatcmpl-tool-" + hexadecimal("call", *key, i)
        calls.append(ToolCall(call_id, wanted.name, arguments[:-2] if form == "malformed" else arguments))
    return tuple(calls)


def _dress(core: str, tokens: int, asked: Asked) -> str:
    """Words before the core, so that the text is about as long as the tokens say."""
    if asked.schema is not None or core in ("", REFUSAL):
        return core
    return f"{_text(PROSE, tokens)}\n{core}"


def _text(words: str, tokens: int) -> str:
    """About that many tokens of text, at four bytes a token, never more than TEXT_CAP of them."""
    size = 4 * min(tokens, TEXT_CAP)
    return (words * (size // len(words) + 1))[:size].rstrip()


def _cut(said: Said, room: int) -> Said:
    """The same answer with no more than `room` tokens: thoughts come first, and what is cut off is gone."""
    if said.tokens <= room:
        finish = "tool_calls" if said.calls else "stop"
        return msgspec.structs.replace(said, finish_reason=finish)
    reasoning = min(said.reasoning, room)
    visible = room - reasoning
    share = visible / said.visible
    content = None if said.content is None or not visible else said.content[: int(len(said.content) * share)]
    calls: tuple[ToolCall, ...] = ()
    if said.calls and visible:
        first = said.calls[0]
        calls = (msgspec.structs.replace(first, arguments=first.arguments[: int(len(first.arguments) * share)]),)
    thought = said.thought[: int(len(said.thought) * reasoning / max(said.reasoning, 1))]
    return Said(content, thought, calls, "length", visible, reasoning, False, "cut" if said.right else said.form)
