"""Onboarding: deployments from flags, live probes of real loopback servers, and the catalog that is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from router import catalog, onboard, probe, yaml_file
from router.catalog import Catalog, Deployment
from router.errors import ConfigError, UpstreamFault
from router.onboard import Chosen
from router.settings import shipped_dir
from router.upstream.openai import OpenAIUpstream

BASE = (shipped_dir() / "models.yaml").read_text(encoding="utf-8")
SHIPPED = catalog.load(shipped_dir() / "models.yaml")
NEMOTRON = "nemotron-3-super"


def parse(text: str) -> Catalog:
    return yaml_file.parse(text.encode(), "models.yaml", Catalog)


PLACES: list[tuple[str, set[str], str, str | None, dict[str, Any], bool]] = [
    (
        "openrouter",
        {NEMOTRON, "qwen3.5-122b", "qwen3.5-397b"},
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        {
            "off": {"reasoning": {"enabled": False}},
            "low": {"reasoning": {"effort": "low"}},
            "on": {"reasoning": {"enabled": True}},
        },
        False,
    ),
    (
        "vllm",
        {NEMOTRON, "qwen3.5-122b", "qwen3.5-397b"},
        "http://127.0.0.1:8000/v1",
        None,
        {
            "off": {"chat_template_kwargs": {"enable_thinking": False}},
            "low": {"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}},
            "on": {"chat_template_kwargs": {"enable_thinking": True}},
        },
        True,
    ),
    (
        "nim",
        {NEMOTRON, "qwen3.5-122b", "qwen3.5-397b"},
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_API_KEY",
        {
            "off": {"chat_template_kwargs": {"enable_thinking": False}},
            "low": {"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}},
            "on": {"chat_template_kwargs": {"enable_thinking": True}},
        },
        False,
    ),
    (
        "dashscope",
        {"qwen3.5-122b", "qwen3.5-397b"},
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        {"off": {"enable_thinking": False}, "on": {"enable_thinking": True}},
        False,
    ),
]


@pytest.mark.parametrize(("provider", "models", "url", "key", "thinking", "own"), PLACES)
def test_what_is_known_of_each_provider(
    provider: str, models: set[str], url: str, key: str | None, thinking: dict[str, Any], own: bool
) -> None:
    """Address, key variable, model ids, and how thinking is switched there."""
    chosen = onboard.deployments(provider, SHIPPED)
    assert {m for m, _ in chosen} == models
    for model, d in chosen:
        assert (d.url, d.api_key_env, d.self_hosted is not None) == (url, key, own)
        assert d.thinking == {mode: p for mode, p in thinking.items() if mode in SHIPPED.models[model].thinking}
        assert d.runtime == ("nim" if provider == "nim" else "cuda")
    written = parse(onboard.catalog_text(BASE, chosen))
    assert {(n, d.name) for n, m in written.models.items() for d in m.deployments} == {(m, provider) for m in models}


def test_any_other_endpoint() -> None:
    """Address and models come from flags; everything can be said."""
    ((model, d),) = onboard.deployments(
        "other",
        SHIPPED,
        base_url="https://llm.example.com/v1",
        key_env="MY_KEY",
        models={NEMOTRON: "local:gemma 270m"},
        prices=(0.01, 0.02),
        runtime="llama-cpp",
        dialect="none",
        name="mine",
    )
    assert (model, d.name, d.model, d.url, d.api_key_env) == (
        NEMOTRON,
        "mine",
        "local:gemma 270m",
        "https://llm.example.com/v1",
        "MY_KEY",
    )
    assert (d.usd.input, d.usd.output, d.runtime, d.thinking) == (0.01, 0.02, "llama-cpp", {"on": {}})
    assert parse(onboard.catalog_text(BASE, [(model, d)])).models[NEMOTRON].deployments == (d,)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("https://vllm.internal/v1", True),
        ("https://8.8.8.8/v1", False),
        ("https://api.example.com/v1", False),
    ],
)
def test_own_hardware_is_priced_by_the_hour(url: str, own: bool) -> None:
    """An address on one's own network costs GPU-hours, others a price per token; no provider's key goes there."""
    for _, d in onboard.deployments("nim", SHIPPED, base_url=url):
        assert (d.self_hosted is not None, d.prices is None, d.api_key_env) == (own, own, None)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"provider": "acme"}, "provider: 'acme' is not one of openrouter, vllm, nim, dashscope, other"),
    ({"provider": "other"}, "base_url: is needed"),
    ({"provider": "other", "base_url": "http://x/v1"}, "models: name at least one"),
    ({"provider": "vllm", "models": {"gpt-5": "x"}}, "models: 'gpt-5' is not in the catalog"),
    ({"provider": "vllm", "base_url": "localhost:8000"}, "base_url: "),
    ({"provider": "vllm", "base_url": "ftp://x/v1"}, "base_url: URL scheme"),
    ({"provider": "vllm", "key_env": "sk-secret"}, "api_key_env: String should match"),
    ({"provider": "vllm", "runtime": "tpu"}, "runtime: 'tpu' is not one of cuda"),
    ({"provider": "vllm", "name": "../x"}, "name: "),
    ({"provider": "vllm", "prices": (-1, 2)}, "prices: "),
]


@pytest.mark.parametrize(("flags", "reason"), WRONG)
def test_a_wrong_flag_is_named(flags: dict[str, Any], reason: str) -> None:
    """What is missing or wrong, before anything is called or written."""
    provider = flags.pop("provider")
    with pytest.raises(ConfigError) as caught:
        onboard.deployments(provider, SHIPPED, **flags)
    flags["provider"] = provider
    assert str(caught.value).startswith(reason)


def test_the_catalog_keeps_facts_and_comments() -> None:
    """Only the deployments are replaced; models that nobody serves keep their scores; two of one name are numbered."""
    chosen = (
        *onboard.deployments("vllm", SHIPPED, models={NEMOTRON: "a"}),
        *onboard.deployments("vllm", SHIPPED, base_url="http://127.0.0.1:8001/v1", models={NEMOTRON: "b"}),
    )
    text = onboard.catalog_text(BASE, chosen)
    written = parse(text)
    for name, model in written.models.items():
        assert model.model_copy(update={"deployments": ()}) == SHIPPED.models[name].model_copy(
            update={"deployments": ()}
        )
    assert [(d.name, d.model) for d in written.models[NEMOTRON].deployments] == [("vllm", "a"), ("vllm-2", "b")]
    assert written.models["qwen3.5-122b"].deployments == ()
    assert text.startswith(BASE[: BASE.index("deployments:")])
    assert "write your GPUs" in text and "deepinfra" not in text
    with pytest.raises(KeyError, match="nobody"):
        onboard.catalog_text(BASE, [("nobody", chosen[0][1])])


# Live probes --------------------------------------------------------------

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server on a free loopback port; what it returns is a base address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    client = OpenAIUpstream({"GOOD_KEY": "secret"})
    yield client
    await client.close()


def answer(message: Any) -> web.Response:
    return web.json_response(
        {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "length"}]}
    )


def error(status: int, body: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return handler


def chosen_at(url: str, **flags: Any) -> tuple[Chosen, ...]:
    return onboard.deployments("vllm", SHIPPED, base_url=url, models={NEMOTRON: "tiny"}, **flags)


async def test_a_server_that_works(serve: Serve, upstream: OpenAIUpstream) -> None:
    """Each mode is called once with its own parameters, the model's id there and the key; all of it is then written."""
    calls: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer secret"
        calls.append(await request.json())
        on = calls[-1]["chat_template_kwargs"]["enable_thinking"]
        return answer(
            {"role": "assistant", "content": "" if on else "ok", **({"reasoning_content": "Hm"} if on else {})}
        )

    chosen = chosen_at(await serve(handler), key_env="GOOD_KEY")
    probes = await probe.probe(upstream, chosen)
    assert [(p.mode, p.ok, p.problem, p.fix) for p in probes] == [(m, True, "", "") for m in ("on", "low", "off")]
    assert [c.pop("chat_template_kwargs") for c in calls] == [
        v["chat_template_kwargs"] for v in chosen[0][1].thinking.values()
    ]
    assert all(c["model"] == "tiny" and c["max_tokens"] == 8 for c in calls)
    assert probe.working(chosen, probes) == chosen
    assert parse(onboard.catalog_text(BASE, probe.working(chosen, probes))).models[NEMOTRON].deployments == (
        chosen[0][1],
    )


ERRORS: list[tuple[str, int, Any, str, str]] = [
    (
        "a wrong key",
        401,
        {"error": {"message": "Incorrect API key\nprovided"}},
        "status 401: Incorrect API key provided",
        "GOOD_KEY",
    ),
    ("no right to it", 403, {"error": "Forbidden"}, "status 403: Forbidden", "Check the key in GOOD_KEY"),
    (
        "an unknown model",
        404,
        {"detail": "The model does not exist"},
        "status 404: The model does not exist",
        "Check the model id 'tiny'",
    ),
    ("a rate limit", 429, {"message": "slow down"}, "status 429: slow down", "Address and key are right"),
    (
        "a parameter it does not take",
        400,
        {"error": {"message": "unknown field"}},
        "status 400: unknown field",
        "try another dialect",
    ),
    ("its own failure", 500, [], "status 500", "look at its log"),
    ("a long error", 500, {"error": "x" * 5000}, "status 500: xxx", "look at its log"),
    ("another API", 200, {"text": "hello"}, "the answer is not a chat completion", "OpenAI-compatible"),
    ("no choices", 200, {"choices": []}, "the answer is not a chat completion", "OpenAI-compatible"),
    (
        "a message that is none",
        200,
        {"choices": [{"message": "ok"}]},
        "the answer is not a chat completion",
        "OpenAI-compatible",
    ),
]


@pytest.mark.parametrize(
    ("status", "body", "problem", "fix"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
async def test_what_to_fix(
    serve: Serve, upstream: OpenAIUpstream, status: int, body: Any, problem: str, fix: str
) -> None:
    """Each refusal says what it was, in one line, and what to change; nothing is then written."""
    chosen = chosen_at(await serve(error(status, body)), key_env="GOOD_KEY", dialect="none")
    (found,) = probes = await probe.probe(upstream, chosen)
    assert not found.ok
    assert found.problem.startswith(problem) and len(found.problem) < 250 and "\n" not in found.problem
    assert fix in found.fix
    assert probe.working(chosen, probes) == ()
    assert parse(onboard.catalog_text(BASE, ())).models[NEMOTRON].deployments == ()


async def test_an_answer_that_is_not_json(serve: Serve, upstream: OpenAIUpstream) -> None:
    """A web page instead of an API."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    (found,) = await probe.probe(upstream, chosen_at(await serve(page), dialect="none"))
    assert (found.problem, found.ok) == ("the answer is not a chat completion", False)


async def test_a_key_that_it_wants_and_nobody_named(serve: Serve, upstream: OpenAIUpstream) -> None:
    """A 401 without a key names what to say."""
    (found,) = await probe.probe(upstream, chosen_at(await serve(error(401, {})), dialect="none"))
    assert found.fix == "It wants a key: name its variable as key_env and set it."


async def test_a_key_that_is_not_set(upstream: OpenAIUpstream) -> None:
    """Nothing is called without the key; its variable is named."""
    (found,) = await probe.probe(upstream, chosen_at("http://127.0.0.1:9/v1", key_env="ABSENT_KEY", dialect="none"))
    assert found.fix == "Set ABSENT_KEY in the environment."


async def test_nobody_listens(serve: Serve, upstream: OpenAIUpstream, unused_tcp_port: int) -> None:
    """A refused connection points at the address."""
    (found,) = await probe.probe(upstream, chosen_at(f"http://127.0.0.1:{unused_tcp_port}/v1", dialect="none"))
    assert not found.ok
    assert found.fix.startswith("Start the endpoint, or correct base_url")


async def test_a_server_that_never_answers(serve: Serve, upstream: OpenAIUpstream) -> None:
    """The limit ends the call, and the next deployment is tried all the same."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def fine(_: web.Request) -> web.Response:
        return answer({"role": "assistant", "content": "ok"})

    chosen = (
        *chosen_at(await serve(silent), dialect="none", name="silent"),
        *chosen_at(await serve(fine), dialect="none", name="fine"),
    )
    probes = await probe.probe(upstream, chosen, limit_s=0.3)
    assert [(p.deployment, p.ok, p.problem) for p in probes] == [
        ("silent", False, "no answer in 0.3 s"),
        ("fine", True, ""),
    ]
    assert [d.name for _, d in probe.working(chosen, probes)] == ["fine"]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "b"], "It has: a, b."),
        ([f"m{i}" for i in range(15)], "m9 and 5 more."),
        ([], "It lists no models."),
        (None, "begins."),
    ],
)
async def test_the_models_that_are_there(
    serve: Serve, upstream: OpenAIUpstream, ids: Sequence[str] | None, said: str
) -> None:
    """After a 404 the endpoint's own list is shown, where it can be had."""

    async def lister(_: Deployment) -> Sequence[str]:
        if ids is None:
            raise UpstreamFault("connect", "gone")
        return ids

    chosen = chosen_at(await serve(error(404, {"error": {"message": "no such model"}})), dialect="none")
    (found,) = await probe.probe(upstream, chosen, ids=lister)
    assert found.fix.endswith(said)


async def test_only_the_modes_that_work_are_written(serve: Serve, upstream: OpenAIUpstream) -> None:
    """A mode that the server refuses is left out; one that thinks although told not to is kept, and said."""

    async def handler(request: web.Request) -> web.Response:
        kwargs = (await request.json())["chat_template_kwargs"]
        if "low_effort" in kwargs:
            return web.json_response({"error": {"message": "low_effort?"}}, status=400)
        return answer({"role": "assistant", "content": None, "reasoning": "Hm"})

    chosen = chosen_at(await serve(handler))
    probes = await probe.probe(upstream, chosen)
    assert [(p.mode, p.ok) for p in probes] == [("on", True), ("low", False), ("off", True)]
    assert probes[2].fix == "It thinks although told not to: other thinking parameters?"
    assert set(
        parse(onboard.catalog_text(BASE, probe.working(chosen, probes))).models[NEMOTRON].deployments[0].thinking
    ) == {"on", "off"}
    lines = probe.table(probes).splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == ["ok", "FAILED", "ok"]
    assert "try another dialect" in lines[2] and json.dumps(chosen[0][1].thinking["low"]) in lines[2]


def test_all_that_a_deployment_can_say_is_written() -> None:
    """Lists, headers and words that YAML would take for something else come back as they were."""
    full = Deployment.model_validate(
        {
            "name": "full",
            "model": "org/m: on #1",
            "base_url": "http://127.0.0.1:1/v1?api-version=2",
            "headers": {"x-a": "yes", "on": "'\"", "empty": ""},
            "prices": {"input": 1e-5, "output": 2, "cached_input": 0},
            "regions": ["eu", "no"],
            "supports": ["tools"],
            "context": 1000,
            "thinking": {"off": {"a": [1, None, {"b": [True]}], "null": "ü"}},
        }
    )
    assert parse(onboard.catalog_text(BASE, [("qwen3.5-122b", full)])).models["qwen3.5-122b"].deployments == (full,)


def test_own_hardware_is_cheaper_for_a_faster_model() -> None:
    """The written examples differ as the catalog's speeds do, and so do prices; they say that they are examples."""
    chosen = dict(onboard.deployments("vllm", SHIPPED))
    prices = {model: d.usd.output for model, d in chosen.items()}
    assert prices[NEMOTRON] < prices["qwen3.5-122b"] < prices["qwen3.5-397b"]
    ratio = SHIPPED.models[NEMOTRON].speed.tokens_per_s / SHIPPED.models["qwen3.5-122b"].speed.tokens_per_s
    assert prices["qwen3.5-122b"] / prices[NEMOTRON] == pytest.approx(ratio, rel=0.05)
    assert onboard.catalog_text(BASE, list(chosen.items())).count("# examples: write your GPUs") == 3


def test_modes_that_fail_alike_share_a_line() -> None:
    """Within one deployment; what worked, failed otherwise or elsewhere has its own."""
    dead = {"ok": False, "seconds": 0.01, "problem": "refused", "fix": "Start it."}
    probes = [
        probe.Probe("n", "a", "off", **dead),
        probe.Probe("n", "a", "on", **dead),
        probe.Probe("n", "a", "low", False, 0.02, "status 400", "Another dialect."),
        probe.Probe("n", "b", "off", **dead),
        probe.Probe("q", "a", "off", True, 1.0),
        probe.Probe("q", "a", "on", True, 2.0),
    ]
    assert probe.table(probes).splitlines() == [
        "FAILED  n/off,on at a  0.01 s  refused",
        "        Start it.",
        "FAILED  n/low at a     0.02 s  status 400",
        "        Another dialect.",
        "FAILED  n/off at b     0.01 s  refused",
        "        Start it.",
        "ok      q/off at a     1.00 s",
        "ok      q/on at a      2.00 s",
    ]


def test_an_empty_table() -> None:
    """Nothing tried, nothing said."""
    assert probe.table([]) == ""
