"""Before the commit point every fault is mended elsewhere, or told without a word of the upstream."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import answers
from tests.chaos.table import FAULTS, IDLE_S, Fault
from tests.faulty import Faulty, closed_url
from tests.proxy.yard import CHEAP_THEN_DEAR, HELLO, Got, Proxy, Yard, good

CASES = [
    pytest.param(fault, stream, id=f"{fault.does}-{'stream' if stream else 'whole'}")
    for fault in FAULTS
    for stream in (False, True)
    if fault.expected(stream) is not None
]
SECRETS = (b"127.0.0.1", b"sk-secret", b"engine", b"gateway", b"SSH", b"Traceback", b"good", b"elsewhere")


def silent(got: Got) -> None:
    """Nothing of an upstream's address, key or words is in the response."""
    whole = got.body + b"".join(f"{k}: {v}".encode() for k, v in got.headers.items())
    assert not [secret for secret in SECRETS if secret in whole]


@pytest.mark.parametrize("client", ["native", "aiohttp"])
@pytest.mark.parametrize(("fault", "stream"), CASES)
async def test_a_fault_is_mended_by_the_next_best(yard: Yard, fault: Fault, stream: bool, client: str) -> None:
    """First by another deployment of the arm, then by another arm; the caller sees a good answer and who gave it."""
    does, expected = fault.does, fault.expected(stream)
    proxy = await yard(
        {"cheap": [does, does], "dear": good(stream=stream)},
        client=client,
        idle_timeout=IDLE_S,
        max_answer_bytes=1_000_000,
    )
    got = await proxy.chat(stream=stream, turnout={"deadline": 4})
    assert got.status == 200
    assert got.body == (
        b"".join(e for e in answers.STREAM if e is not answers.USAGE) if stream else answers.completion()
    )
    assert (got.headers["x-turnout-model"], got.headers["x-turnout-attempts"]) == ("dear/off", "3")
    assert got.headers["x-turnout-plan"] == "cheap/off"
    outcome = await proxy.settled()
    assert outcome.status == 200 and outcome.retries_used == 0
    assert [(a.arm, a.deployment, a.position) for a in outcome.attempts] == [
        ("cheap/off", "d0", 0),
        ("cheap/off", "d1", 0),
        ("dear/off", "d0", 0),
    ]
    assert [(a.fault, a.status) for a in outcome.attempts] == [expected, expected, (None, 200)]
    assert outcome.attempts[0].cost_usd == 0
    assert proxy.asked == [does, does, good(stream=stream)]


@pytest.mark.parametrize(("fault", "stream"), CASES)
async def test_a_fault_everywhere_is_told(yard: Yard, fault: Fault, stream: bool) -> None:
    """An error in OpenAI's shape and with our own words; nothing of the upstream's is in it."""
    proxy = await yard(
        {"cheap": [{"model": fault.does, "api_key_env": "KEY"}]},
        idle_timeout=IDLE_S,
        max_answer_bytes=1_000_000,
        environment={"KEY": "sk-secret"},
    )
    got = await proxy.chat(stream=stream, turnout={"deadline": 0.8})
    error = got.error
    silent(got)
    assert (got.status, error["code"]) == fault.told(stream)
    assert got.headers["x-turnout-attempts"] == "1" and got.headers["x-turnout-cost-usd"] == "0.00000000"
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.error) == (got.status, "error", error["code"])
    assert [(a.fault, a.status) for a in outcome.attempts] == [fault.expected(stream)] and not outcome.committed


@pytest.mark.parametrize("stream", [False, True])
async def test_an_address_where_nobody_listens(yard: Yard, stream: bool) -> None:
    """A connection that cannot be made is a fault as any other."""
    gone = {"model": "m", "base_url": closed_url()}
    proxy = await yard({"cheap": [gone], "dear": good(stream=stream)})
    assert (await proxy.chat(stream=stream)).status == 200
    assert [a.fault for a in (await proxy.settled()).attempts] == ["connect", None]


async def test_an_upstream_that_takes_nothing(yard: Yard) -> None:
    """One that accepts the connection and never reads is given up in time for another."""
    async with Faulty(deaf=True) as deaf:
        proxy = await yard({"cheap": [{"model": "m", "base_url": deaf.url}], "dear": "good"})
        got = await proxy.chat(turnout={"deadline": 1.5}, odd="x" * 3_000_000)
        assert (got.status, got.headers["x-turnout-model"]) == (200, "dear/off")
        assert [a.fault for a in (await proxy.settled()).attempts] == ["timeout", None]
        await deaf.until(lambda: deaf.aborts == 1)


async def test_a_missing_key_is_no_deployment(yard: Yard) -> None:
    """A deployment without its key is left out from the start."""
    proxy = await yard({"cheap": [{"model": "good", "api_key_env": "ABSENT"}], "dear": "good"})
    got = await proxy.chat()
    assert (got.headers["x-turnout-model"], got.headers["x-turnout-attempts"]) == ("dear/off", "1")


def refusal(message: str, status: str = "400 Bad Request", **fields: object) -> bytes:
    error = {"message": message, "type": "x", "param": None, "code": None} | fields
    return answers.http(json.dumps({"error": error}).encode(), status)


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Payload Too Large", "422 Unprocessable Entity"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_mistake_of_the_callers_is_told_once(
    yard: Yard, answer: Callable[..., str], status: str, stream: bool
) -> None:
    """With the upstream's own message, and never retried: no other model would take it either."""
    does = answer(refusal("'temperature' must be at most 2", status, param="temperature", code="out_of_range"))
    proxy = await yard({"cheap": [does, "good"], "dear": "good"})
    got = await proxy.chat(stream=stream)
    assert got.status == int(status[:3])
    assert got.error == {
        "message": "'temperature' must be at most 2",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "out_of_range",
    }
    outcome = await proxy.settled()
    assert [(a.fault, a.status) for a in outcome.attempts] == [("caller", got.status)]
    assert proxy.asked == [does]


ELSEWHERE = [
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
    "cheap is not a multimodal model",
    "At most 0 image(s) may be provided in one request.",
    "Unsupported parameter: 'logit_bias' is not supported with this model.",
    "Unrecognized request argument supplied: top_k",
]


@pytest.mark.parametrize("message", ELSEWHERE)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_one_model_cannot_do_another_may(
    yard: Yard, answer: Callable[..., str], message: str, stream: bool
) -> None:
    """A 400 about length, modality or a parameter goes to the next arm, to no other deployment of the model."""
    does = answer(refusal(message))
    proxy = await yard({"cheap": [does, does], "dear": good(stream=stream)})
    got = await proxy.chat(stream=stream)
    assert (got.status, got.headers["x-turnout-model"]) == (200, "dear/off")
    assert [(a.arm, a.fault, a.status) for a in (await proxy.settled()).attempts] == [
        ("cheap/off", "unsupported", 400),
        ("dear/off", None, 200),
    ]
    for _ in range(8):  # it says nothing of the deployment's health
        assert (await proxy.chat(stream=stream)).headers["x-turnout-attempts"] == "2"


async def test_what_no_model_can_do_is_the_callers(yard: Yard, answer: Callable[..., str]) -> None:
    """Refused by all, the upstream's words tell the caller what to mend."""
    does = answer(refusal(ELSEWHERE[0], code="context_length_exceeded"))
    proxy = await yard({"cheap": does, "middle": does, "dear": does})
    got = await proxy.chat()
    assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
    assert got.error["message"] == ELSEWHERE[0]
    assert len((await proxy.settled()).attempts) == 3


# what the three models do → status, retry-after, code
MIXED = [
    (("429:30", "429:7", "429"), 429, "7", "rate_limit_exceeded"),
    (("429", "429", "429:12"), 429, "12", "rate_limit_exceeded"),
    (("429", "429", "429"), 429, None, "rate_limit_exceeded"),
    (("429:5", "html-500", "429:6"), 502, None, "upstream_error"),
    (("html-500", "429:5", "context"), 502, None, "upstream_error"),
    (("context", "429:5", "context"), 429, "5", "rate_limit_exceeded"),
    (("context", "context", "html-500"), 502, None, "upstream_error"),
    (("context", "html-500", "context"), 502, None, "upstream_error"),
    (("html-500", "bad-request", "good"), 400, None, "invalid_request"),
]


@pytest.mark.parametrize(("does", "status", "wait", "code"), MIXED)
async def test_of_several_faults_the_most_useful_is_told(
    yard: Yard, answer: Callable[..., str], does: tuple[str, ...], status: int, wait: str | None, code: str
) -> None:
    """A rate limit only if nothing worse happened, with the smallest wait named; a refusal only if all refused. Nobody
    waits for it: it is told within a second."""

    def behaviour(name: str) -> str:
        if name == "context":
            return answer(refusal(ELSEWHERE[0]))
        if not name.startswith("429"):
            return name
        after = [f"retry-after: {name[4:]}"] if name[4:] else []
        return answer(answers.http(answers.ERROR, "429 Too Many Requests", "application/json", *after))

    proxy = await yard(dict(zip(("cheap", "middle", "dear"), map(behaviour, does), strict=True)))
    got = await proxy.chat()
    assert (got.status, got.headers.get("retry-after"), got.error["code"]) == (status, wait, code)
    assert (await proxy.settled()).seconds < 1.0


async def test_refusals_do_not_use_up_the_patience_for_faults(yard: Yard, answer: Callable[..., str]) -> None:
    """A model that cannot take the step is no failed try: three faults are still borne."""
    refused = answer(refusal(ELSEWHERE[0]))
    proxy = await yard({"cheap": refused, "middle": ["reset", "reset"], "dear": "good"})
    assert (await proxy.chat()).headers["x-turnout-attempts"] == "4"


async def test_no_more_than_three_faults_are_borne(yard: Yard) -> None:
    """A step does not go round all deployments there are."""
    proxy = await yard({"cheap": ["reset", "reset"], "middle": ["reset", "reset"], "dear": "good"})
    assert (await proxy.chat()).status == 502
    assert len((await proxy.settled()).attempts) == 3


async def test_a_fault_keeps_its_place_in_the_plan(yard: Yard) -> None:
    """After a fault at the first position and a rejected answer from its stand-in, the second position still comes."""
    proxy = await yard({"cheap": ["reset", "empty-content"], "dear": "good"})
    got = await proxy.chat(turnout=CHEAP_THEN_DEAR)
    assert got.status == 200 and "x-turnout-rejected" not in got.headers
    outcome = await proxy.settled()
    assert [(a.arm, a.position, a.fault) for a in outcome.attempts] == [
        ("cheap/off", 0, "reset"),
        ("cheap/off", 0, None),
        ("dear/off", 1, None),
    ]
    assert outcome.retries_used == 1


async def failing(proxy: Proxy, times: int) -> list[Got]:
    return [await proxy.chat() for _ in range(times)]


async def test_a_deployment_that_keeps_failing_is_left_alone(yard: Yard) -> None:
    """After five faults in a row steps go elsewhere at once; `route` names the gate."""
    proxy = await yard({"cheap": "html-500", "dear": "good"})
    assert {got.headers["x-turnout-attempts"] for got in await failing(proxy, 5)} == {"2"}
    assert {got.headers["x-turnout-attempts"] for got in await failing(proxy, 3)} == {"1"}
    assert proxy.asked.count("html-500") == 5
    route = await proxy.fetch("POST", "/v1/route", json.dumps(HELLO).encode())
    assert [gate["kind"] for gate in json.loads(route.body)["gates"]] == ["health"]
    metrics = await proxy.fetch("GET", "/metrics")
    assert b'turnout_breaker_state{deployment="cheap:d0"} 2.0' in metrics.body


async def test_only_health_in_the_way_says_when_to_come_back(yard: Yard) -> None:
    """503 with retry-after once every breaker is open; a 429's own wait counts at once."""
    proxy = await yard({"cheap": "reset"})
    assert [got.status for got in await failing(proxy, 6)] == [502] * 5 + [503]
    got = await proxy.chat()
    assert (got.error["code"], got.error["type"]) == ("no_healthy_model", "server_error")
    assert 1 <= int(got.headers["retry-after"]) <= 6
    limited = await yard({"cheap": "rate-limited"})
    assert [got.status for got in await failing(limited, 2)] == [429, 429]
    assert int((await limited.chat()).headers["retry-after"]) in (6, 7)
    assert (await limited.settled()).attempts == ()


async def test_a_short_deadline_is_not_held_against_the_upstream(yard: Yard, answer: Callable[..., str]) -> None:
    """A caller in a hurry cannot open breakers for everybody else."""
    slow = {"speed": {"tokens_per_s": 100, "first_token_s": 0.5}}
    proxy = await yard({"cheap": "hang"}, facts={"cheap": slow}, policy={"deadline": 0.06})
    assert [(await proxy.chat()).status for _ in range(7)] == [504] * 7


class Broken(Exception):
    """A fault of our own."""


async def test_a_fault_of_our_own_is_told_in_the_usual_shape(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """A 500 without a traceback, which the log has; still one outcome."""

    class Store:
        async def recall(self, *_: object) -> object:
            raise Broken("sk-secret")

        async def record(self, _: object) -> None: ...

        async def close(self) -> None: ...

    proxy = await yard({"cheap": "good"}, store=Store())  # type: ignore[arg-type]
    got = await proxy.chat()
    silent(got)
    assert (got.status, got.error["type"], got.error["code"]) == (500, "server_error", "internal_error")
    outcome = await proxy.settled()
    assert (outcome.status, outcome.result, outcome.error) == (500, "error", "internal_error")
    assert "Broken" in caplog.text


async def test_a_dead_upstream_is_in_the_log(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """Its name and what went wrong; not its address nor its words."""
    proxy = await yard({"cheap": "html-500", "dear": "good"})
    for _ in range(3):
        await proxy.chat(model="cheap")
    await proxy.settled()
    (line,) = [r.getMessage() for r in caplog.records if "failed" in r.getMessage()]
    assert line.startswith("cheap:") and ": status, status 500" in line
    assert not [secret for secret in SECRETS if secret in line.encode()]
