"""The embeddings dialect: what is asked, and what comes back."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest, UpstreamFault
from router.wire.embeddings import MAX_INPUTS, Request, look_over, parse, render


def ask(headers: dict[str, str] | None = None, **fields: Any) -> Request:
    body = {"model": "auto", "input": "Hello", **fields}
    return parse(json.dumps({k: v for k, v in body.items() if v is not ...}).encode(), headers or {})


def answer(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("a", 1, None), (["a"], 1, None), (["a", "b"], 2, None), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
def test_what_is_asked(given: Any, count: int, tokens: int | None) -> None:
    """Texts and tokens, one or many; how many tokens there are is known where they came as such."""
    request = ask(input=given)
    assert (request.count, request.tokens, request.format) == (count, tokens, "float")
    assert request.size == len(json.dumps(given))


def test_the_body_for_an_upstream() -> None:
    """All goes as it came but the model's name and Turnout's own words."""
    body = (
        b'{"model": "auto?max_cost=1", "input": ["\\u00e9"], "encoding_format": "base64", "odd": 1.50, "turnout": {}}'
    )
    request = parse(body, {})
    assert request.format == "base64" and request.hints.max_cost == 1 and request.model == "auto"
    assert render(request, "e5") == (b'{"model":"e5","input":["\\u00e9"],"encoding_format":"base64","odd":1.50}')


def test_hints() -> None:
    """In the model's name, headers and body."""
    request = ask({"x-turnout-deadline": "9"}, turnout={"run_id": "r"})
    assert request.hints.deadline == 9 and request.hints.run_id == "r"


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"model": ...}, "model"),
    ({"model": 7}, "model"),
    ({"model": ""}, "model"),
    ({"input": ...}, "input"),
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": ["a", ""]}, "input"),
    ({"input": [[]]}, "input"),
    ({"input": None}, "input"),
    ({"input": {"text": "a"}}, "input"),
    ({"input": ["a", 1]}, "input"),
    ({"input": [1.5]}, "input[0]"),
    ({"input": ["a"] * (MAX_INPUTS + 1)}, "input"),
    ({"dimensions": 0}, "dimensions"),
    ({"dimensions": "few"}, "dimensions"),
    ({"encoding_format": "int8"}, "encoding_format"),
    ({"turnout": 7}, "turnout"),
    ({"model": "auto?accuracy=7"}, "model?accuracy"),
]


@pytest.mark.parametrize(("fields", "param"), FAULTS, ids=lambda value: str(value)[:40])
def test_mistakes(fields: dict[str, Any], param: str) -> None:
    """By the field's name."""
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    assert caught.value.param == param


def test_an_answer_passes_as_it_came() -> None:
    """In either form, where it is the one that was asked for."""
    body = answer([0.10, -2e-3], usage={"prompt_tokens": 5, "total_tokens": 5})
    assert look_over(body, ask()) == (body, look_over(body, ask())[1])
    usage = look_over(body, ask())[1]
    assert usage is not None and usage.prompt_tokens == 5
    body = answer(packed(0.5))
    assert look_over(body, ask(encoding_format="base64")) == (body, None)


def test_the_other_form_is_rewritten() -> None:
    """Some servers know one alone; all other members stay."""
    told, usage = look_over(
        answer([0.5, -1], packed(2), usage={"prompt_tokens": 5}), ask(input=["a", "b"], encoding_format="base64")
    )
    whole = json.loads(told)
    assert [v["embedding"] for v in whole["data"]] == [packed(0.5, -1), packed(2)]
    assert whole["model"] == "m" and whole["usage"] == {"prompt_tokens": 5} and usage is not None
    whole = json.loads(look_over(answer(packed(0.5, -1), [2]), ask(input=["a", "b"]))[0])
    assert [v["embedding"] for v in whole["data"]] == [[0.5, -1], [2]]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "invalid_body"),
        (b"{}", "invalid_body"),
        (b'{"error": {"message": "dead"}}', "error_object"),
        (answer(), "invalid_body"),
        (answer([1], [2]), "invalid_body"),
        (json.dumps({"data": [{"index": 1, "embedding": [1]}]}).encode(), "invalid_body"),
        (answer(7), "invalid_body"),
        (answer(["x"]), "invalid_body"),
        (answer([1e39]), "invalid_body"),
    ],
)
def test_what_is_no_answer(body: bytes, kind: str) -> None:
    """One vector for each text, or it is the upstream's fault."""
    with pytest.raises(UpstreamFault) as caught:
        look_over(body, ask(encoding_format="base64"))
    assert caught.value.kind == kind


@pytest.mark.parametrize("vector", ["????", "AAAAA", "AAAA"])
def test_what_is_no_packed_vector(vector: str) -> None:
    """Neither base64, nor whole numbers of four bytes."""
    with pytest.raises(UpstreamFault):
        look_over(answer(vector), ask())


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_both_forms_say_the_same(numbers: list[float]) -> None:
    """There and back, a vector of 32-bit numbers is the same."""
    there = json.loads(look_over(answer(numbers), ask(encoding_format="base64"))[0])["data"][0]["embedding"]
    assert json.loads(look_over(answer(there), ask())[0])["data"][0]["embedding"] == numbers
