"""Judges a whole answer by its form: what can be known without understanding it.

A check that has nothing to judge gives no result. Reasons never carry the answer's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from router.outcome import CheckResult
from router.step import StepRequest
from router.wire import schema as wire_schema
from router.wire.answer import Answer, Choice, ToolCall

Check = Callable[[Choice, StepRequest], str | None]
"""Why the choice fails, or None."""

_HEAD = 200
"""Characters at the start of a text in which a refusal shows."""
_CUES = tuple(
    "can't|cannot|can not|won't|will not|able to| must | have to | not comfortable | not willing "
    "|kann |je ne |puedo |posso |consigo |не могу |抱歉|对不起|對不起|申し訳|すみません|죄송".split("|")
)
"""One of these is in every text that `_REFUSAL` matches; looking for them first costs a twentieth."""
_LEAKED = re.compile(
    r"<(?:/?tool_?calls?>|/?function(?:=|_calls?>)|parameter=\w|\|tool_call|\|python_tag\||｜tool▁call|invoke name="
    r"|\|channel\|>commentary to=)|\[TOOL_CALLS\]",
    re.IGNORECASE,
)
"""Tool calls written as text, in the formats of Qwen, Nemotron, Llama, Mistral, DeepSeek, Kimi, Claude and gpt-oss:
what is left where the server has no parser for its model's format, or another model's."""
_QUOTED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
"""Code in a text: an answer may speak of those formats."""
_REFUSAL = re.compile(
    "|".join(
        (
            r"\b(?:i|we)(?: am|'m| are|'re)? (?:can't|cannot|can not|won't|will not|unable to|not able to) "
            r"(?:help(?! but)|assist|comply|fulfill?|engage|participate"
            r"|provide (?:that|assistance|help|instructions|guidance))\b",
            r"\bi (?:must|have to) (?:respectfully )?(?:decline|refuse)\b",
            r"\bi(?:'m| am) not (?:comfortable|willing) ",
            r"\bkann (?:ich|dir|ihnen|dabei|damit|leider|das|diese|anfrage|bei|hier| ){1,12}"
            r"nicht (?:weiter)?(?:helfen|unterstützen|erfüllen)",
            r"\bje ne (?:peux|suis) pas (?:en mesure (?:de |d'))?(?:vous |t')?"
            r"(?:aider|assister|répondre à (?:cette|votre) demande)",
            r"\bno (?:te |le |les )?puedo (?:ayudar|asistir|cumplir)",
            r"\bnão (?:posso|consigo) (?:te |lhe )?(?:ajudar|atender)",
            r"\bnon posso (?:aiutar|assister|soddisfare)",
            r"\bне могу (?:вам |с этим |тебе )?(?:помочь|выполнить эт)",
            r"(?:抱歉|对不起|對不起)[^。]{0,20}(?:无法|無法|不能)[^。]{0,12}(?:帮|幫|协助|協助|提供|回答|满足|滿足)",
            r"(?:申し訳|すみません)[^。]{0,40}(?:お手伝い|お答え|対応|提供)[^。]{0,12}(?:できません|かねます)",
            r"죄송[^.]{0,40}(?:도와|제공|답변)[^.]{0,12}수 없",
        )
    )
)
"""Plain refusals, in lower case: en, de, fr, es, pt, it, ru, zh, ja, ko."""


def judge(answer: Answer, request: StepRequest, names: Iterable[str]) -> tuple[CheckResult, ...]:
    """The results of the checks among `names` that have something to judge, in the order of `names`.

    With several choices each must pass. Pure; a schema that cannot be used is not held against an answer.
    """
    results = (_one(name, answer, request) for name in names if name in _CHECKS)
    return tuple(result for result in results if result is not None)


def garbled(answer: Answer, request: StepRequest) -> bool | None:
    """Whether the arguments of any call of a function are no JSON; None without such a call."""
    free = set(request.tools) - request.tool_schemas.keys()  # tools of other kinds take any text
    calls = [call for choice in answer.choices for call in choice.tool_calls if call.name not in free]
    return any(_json(call.arguments or "{}")[1] is not None for call in calls) if calls else None


def _one(name: str, answer: Answer, request: StepRequest) -> CheckResult | None:
    applies, check = _CHECKS[name]
    choices = [c for c in answer.choices if applies(c, request)]
    if not choices:
        return None
    reason = next((r for c in choices if (r := check(c, request)) is not None), None)
    return CheckResult(name, reason is None, reason or "")


def _always(choice: Choice, request: StepRequest) -> bool:
    return True


def _has_schema(choice: Choice, request: StepRequest) -> bool:
    """A call of a tool is no final answer, so no format binds it."""
    if request.schema is None or (choice.tool_calls and not choice.content.strip()):
        return False
    return wire_schema.compiled(request.schema) is not None


def _schema(choice: Choice, request: StepRequest) -> str | None:
    assert request.schema is not None
    validator = wire_schema.compiled(request.schema)
    assert validator is not None
    value, fault = _json(choice.content)
    fault = fault or wire_schema.violation(validator, value)
    return f"the content {fault}" if fault else None


def _json(text: str) -> tuple[Any, str | None]:
    if not text.strip():
        return None, "is empty"
    try:
        return msgspec.json.decode(text), None
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None, "is not JSON"
    except RecursionError:
        return None, "is nested too deeply"


def _has_tools(choice: Choice, request: StepRequest) -> bool:
    return bool(request.tools)


def _tools(choice: Choice, request: StepRequest) -> str | None:
    wanted = request.tool_choice
    if choice.tool_calls and wanted == "none":
        return "a tool was called though none may be"
    if not choice.tool_calls and wanted not in (None, "none", "auto"):
        return "no tool was called though one must be"
    if wanted in request.tools and all(call.name != wanted for call in choice.tool_calls):
        return "the tool that must be called was not"
    if _leaked(choice, request):
        return "a tool call was written as text"
    return next((r for i, call in enumerate(choice.tool_calls) if (r := _call(i, call, request)) is not None), None)


def _leaked(choice: Choice, request: StepRequest) -> bool:
    """Whether a call stands in the text. In the thoughts it counts only where nothing else came."""
    text = choice.content if choice.content.strip() or choice.tool_calls else choice.reasoning
    if _LEAKED.search(text) is not None and _LEAKED.search(_QUOTED.sub("", text)) is not None:
        return True
    return request.schema is None and not choice.tool_calls and _bare(choice.content, request)


def _bare(text: str, request: StepRequest) -> bool:
    """Whether a text is only the JSON, fenced or not, of a call of a function that was offered, or of several."""
    if '"name"' not in text:
        return False
    plain = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    value = _json(plain)[0] if plain.strip()[:1] in ("{", "[") else None
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(_is_call(call, request.tools) for call in calls)


def _is_call(value: Any, names: tuple[str, ...]) -> bool:
    if not isinstance(value, dict) or not isinstance(name := value.get("name"), str) or name not in names:
        return False
    return isinstance(value.get("arguments", value.get("parameters")), dict)


def _call(i: int, call: ToolCall, request: StepRequest) -> str | None:
    if call.name not in request.tools:
        return f"call {i} names no tool that was offered"
    text = request.tool_schemas.get(call.name)
    if text is None:
        return None  # no function: its input is free text
    value, fault = _json(call.arguments or "{}")
    if fault is None and not isinstance(value, dict):
        fault = "are no JSON object"
    if fault is None and (validator := wire_schema.compiled(text)) is not None:
        fault = wire_schema.violation(validator, value)
    return f"the arguments of call {i}: {fault}" if fault else None


def _length(choice: Choice, request: StepRequest) -> str | None:
    return "cut off at the token limit" if choice.finish_reason == "length" else None


def _nonempty(choice: Choice, request: StepRequest) -> str | None:
    """Reasoning alone is no answer."""
    if choice.content.strip() or choice.refusal or choice.tool_calls or choice.audio:
        return None
    return "no content, refusal or tool call"


def _refusal(choice: Choice, request: StepRequest) -> str | None:
    if choice.refusal:
        return "the model refused"
    if choice.finish_reason == "content_filter":
        return "stopped by a content filter"
    if choice.tool_calls:
        return None
    head = choice.content[:_HEAD].replace("\u2019", "'").lower()
    refused = any(cue in head for cue in _CUES) and _REFUSAL.search(head) is not None
    return "the text reads as a refusal" if refused else None


_CHECKS: dict[str, tuple[Callable[[Choice, StepRequest], bool], Check]] = {
    "schema": (_has_schema, _schema),
    "tools": (_has_tools, _tools),
    "length": (_always, _length),
    "nonempty": (_always, _nonempty),
    "refusal": (_always, _refusal),
}
"""Name → whether it has something to judge in a choice, and how it judges."""
