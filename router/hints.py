"""What a caller may say of a step: every hint, its bounds, and how several sources combine.

Preferences: the later source wins (model string, metadata, headers, body object).
Constraints: every source counts; they only narrow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

from router.errors import BadRequest

DECIMAL = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
IDENT = re.compile(r"^[!-~]{1,128}$")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$")
LANGUAGE = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
CHECKS = ("schema", "tools", "length", "nonempty", "refusal")

HEADER = "x-turnout-"
ENTRY = "turnout."
"""What the name of a hint begins with in `metadata`."""
TWICE = "\0"
"""Between the values of a hint's header that was sent more than once; no header holds it."""

Verify = frozenset[str] | Literal["none", "caller"]


class Hints(msgspec.Struct, frozen=True):
    """All hints of one request, validated. None means: not said."""

    step: str | None = None
    step_id: str | None = None
    run_id: str | None = None
    attempt: int | None = None
    accuracy: float | None = None
    retries: int | None = None
    failure_cost: float | None = None
    output_tokens: int | None = None
    deadline: float | None = None
    max_cost: float | None = None
    verify: Verify | None = None
    license: tuple[frozenset[str], ...] = ()
    """Each must hold: one of its SPDX ids, and all of its needs."""
    runtime: tuple[frozenset[str], ...] = ()
    """Each an allow-list that must hold."""
    models: tuple[frozenset[str], ...] = ()
    """Each an allow-list that must hold."""
    thinking: frozenset[str] = frozenset()
    """Modes asked for; two different ones can never both hold."""
    language: frozenset[str] = frozenset()
    prefer: Literal["cost", "speed", "accuracy"] | None = None
    hold: bool | None = None
    run_retries: int | None = None
    run_max_cost: float | None = None

    @property
    def constrains(self) -> bool:
        """Whether it narrows what may be chosen, rather than say what is wanted of it."""
        sets = (self.license, self.runtime, self.models, self.thinking, self.language)
        limits = (self.deadline, self.max_cost, self.run_max_cost)
        return any(sets) or any(limit is not None for limit in limits)


class Hint(msgspec.Struct, frozen=True):
    """How one hint is read. `parse` raises ValueError with what would be right."""

    parse: Callable[[Any], Any]
    meaning: str
    combine: Literal["later", "smaller", "union", "append"] = "later"


def _number(low: float, high: float, *, open_ends: bool = False) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        text = f"must be a number {'between' if open_ends else 'from'} {low:g} {'and' if open_ends else 'to'} {high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(text)
        # float() also takes spaces, `1_0`, `nan` and the digits of other scripts.
        if isinstance(value, str) and not DECIMAL.fullmatch(value):
            raise ValueError(text)
        try:
            number = float(value)
        except OverflowError:
            raise ValueError(text) from None
        if not math.isfinite(number) or not low <= number <= high or (open_ends and number in (low, high)):
            raise ValueError(text)
        return number

    return parse


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        text = f"must be a whole number from {low} to {high}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(text)
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,9}", value):
            raise ValueError(text)
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(text)
        number = int(value)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return parse


def _text(pattern: re.Pattern[str], rule: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(rule)
        return value

    return parse


def _choice(*options: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in options:
            raise ValueError(f"must be one of {', '.join(options)}")
        return value.lower()

    return parse


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "1", "false", "0"):
        return value.lower() in ("true", "1")
    raise ValueError("must be true or false")


def _list(value: Any) -> frozenset[str]:
    rule = "must be up to 16 names, as a list or separated by commas"
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not 0 < len(parts) <= 16:
        raise ValueError(rule)
    names = [p.strip(" ") if isinstance(p, str) else "" for p in parts]
    if not all(NAME.fullmatch(n) for n in names):
        raise ValueError(rule)
    return frozenset(names)


def _one(parse: Callable[[Any], str]) -> Callable[[Any], frozenset[str]]:
    return lambda value: frozenset((parse(value),))


def _verify(value: Any) -> Verify:
    rule = f"must be none, caller, or checks: {', '.join(CHECKS)}"
    if value == "none":
        return "none"
    if value == "caller":
        return "caller"
    try:
        names = _list(value)
    except ValueError:
        raise ValueError(rule) from None
    if not names <= set(CHECKS):
        raise ValueError(rule)
    return names


_ident = _text(IDENT, "must be 1 to 128 printable ASCII characters without spaces")

HINTS: dict[str, Hint] = {
    "step": Hint(
        _text(NAME, "must be a name of up to 64 letters, digits, ' ', '.', '_', '/', '-'"), "name of the step's class"
    ),
    "step_id": Hint(_ident, "identity of this step: told again, it escalates"),
    "run_id": Hint(_ident, "identity of the run that the step belongs to"),
    "attempt": Hint(_integer(1, 16), "which try of the step this is, from 1"),
    "accuracy": Hint(_number(0, 1, open_ends=True), "required probability of success"),
    "retries": Hint(_integer(0, 3), "further attempts allowed after the first"),
    "failure_cost": Hint(_number(0, 1e6), "USD lost by a wrong result"),
    "output_tokens": Hint(_integer(1, 2_000_000), "expected length of the answer"),
    "deadline": Hint(_number(0.05, 3600), "seconds for all attempts together", "smaller"),
    "max_cost": Hint(_number(0, 1e4, open_ends=True), "USD for all attempts together", "smaller"),
    "verify": Hint(_verify, "who judges the answer: `none`, `caller`, or checks"),
    "license": Hint(_list, "SPDX ids or needs: use, redistribute, derive, no-attribution", "append"),
    "runtime": Hint(_list, "runtimes that may serve the step", "append"),
    "models": Hint(_list, "models or arms that may serve the step", "append"),
    "thinking": Hint(_one(_choice("on", "off", "low")), "thinking mode", "union"),
    "language": Hint(
        _one(_text(LANGUAGE, "must be a language code such as en, de or zh-Hant")), "language of the answer", "union"
    ),
    "prefer": Hint(_choice("cost", "speed", "accuracy"), "what to weigh more"),
    "hold": Hint(_truth, "buffer a streamed answer until its checks pass"),
    "run_retries": Hint(_integer(0, 10_000), "further attempts allowed to the whole run", "smaller"),
    "run_max_cost": Hint(_number(0, 1e6, open_ends=True), "USD for the whole run", "smaller"),
}

Source = tuple[str, Mapping[str, Any]]
"""Where hints come from, as a prefix for messages (`metadata.turnout.`), and the hints themselves by name."""

NONE = Hints()


def read(sources: Iterable[Source]) -> Hints:
    """Validates and combines the sources, the earliest first. Raises BadRequest naming the hint and its source."""
    found: dict[str, Any] = {}
    for prefix, values in sources:
        for name, value in values.items():
            hint = HINTS.get(name)
            if hint is None:
                raise BadRequest(
                    f"Unknown hint {prefix}{name[:64]}. Hints are: {', '.join(HINTS)}.",
                    param=f"{prefix}{name[:64]}",
                    code="unknown_hint",
                )
            try:
                parsed = hint.parse(value)
            except ValueError as error:
                raise BadRequest(f"{prefix}{name} {error}.", param=f"{prefix}{name}", code="invalid_hint") from None
            found[name] = _combine(hint, found.get(name), parsed)
    return Hints(**found) if found else NONE


def _combine(hint: Hint, old: Any, new: Any) -> Any:
    if hint.combine == "append":
        return (*(old or ()), new)
    if old is None or hint.combine == "later":
        return new
    return min(old, new) if hint.combine == "smaller" else old | new


def split_model(model: str) -> tuple[str, dict[str, str]]:
    """`auto?accuracy=0.95&retries=1` → (`auto`, {accuracy: 0.95, retries: 1}). Raises BadRequest: a hint twice."""
    name, mark, query = model.partition("?")
    if not mark:
        return model, {}
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    hints = dict(pairs)
    if len(hints) != len(pairs):
        raise BadRequest("model: a hint is given twice.", param="model", code="invalid_hint")
    return name, hints


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The hints among lower-case header names: `x-turnout-failure-cost` → failure_cost. Raises BadRequest: twice."""
    found = {k: v for k, v in headers.items() if k.startswith(HEADER)}
    for name, value in found.items():
        if TWICE in value:
            raise BadRequest(f"{name[:74]} is sent twice. Send it once.", param=name[:74], code="invalid_hint")
    return {k[10:].replace("-", "_"): v for k, v in found.items()}


def from_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The hints in OpenAI metadata: `turnout.accuracy` → accuracy."""
    return {k.removeprefix(ENTRY): v for k, v in metadata.items() if k.startswith(ENTRY)}
