"""The catalog: the shipped facts, what is derived from them, and how mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router import catalog, policy, yaml_file
from router.beliefs import success
from router.catalog import Catalog, Deployment, SelfHosted
from router.errors import ConfigError
from router.settings import shipped_dir

SHIPPED = shipped_dir() / "models.yaml"
POLICIES = ("default", "cost-first", "accuracy-first", "latency-first", "apache-only")


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load(SHIPPED)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (
            "nemotron-3-super",
            {
                "maker": "NVIDIA",
                "parameters_b": 120,
                "active_b": 12,
                "modalities": {"text"},
                "native": 1_000_000,
                "extended": None,
                "languages": {"en", "fr", "de", "it", "ja", "es", "zh"},
                "thinking": {"on", "low", "off"},
                "spdx": None,
                "permits": {"use", "redistribute", "derive"},
                "tokens_per_s": 471,
                "estimated": False,
            },
        ),
        (
            "qwen3.5-122b",
            {
                "maker": "Alibaba",
                "parameters_b": 122,
                "active_b": 10,
                "modalities": {"text", "image"},
                "native": 262_144,
                "extended": 1_010_000,
                "languages": 201,
                "thinking": {"on", "off"},
                "spdx": "Apache-2.0",
                "permits": {"use", "redistribute", "derive", "no-attribution"},
                "tokens_per_s": 152,
                "estimated": False,
            },
        ),
        (
            "qwen3.5-397b",
            {
                "maker": "Alibaba",
                "parameters_b": 397,
                "active_b": 17,
                "modalities": {"text", "image"},
                "native": 262_144,
                "extended": 1_010_000,
                "languages": 201,
                "thinking": {"on", "off"},
                "spdx": "Apache-2.0",
                "permits": {"use", "redistribute", "derive", "no-attribution"},
                "tokens_per_s": 89,
                "estimated": True,
            },
        ),
    ],
)
def test_the_shipped_facts(shipped: Catalog, name: str, facts: dict[str, Any]) -> None:
    """What the comparison says of each model is in the file."""
    model = shipped.models[name]
    flat = {
        **{k: getattr(model, k) for k in ("maker", "parameters_b", "active_b", "modalities", "languages")},
        "native": model.context.native,
        "extended": model.context.extended,
        "thinking": set(model.thinking),
        "spdx": model.license.spdx,
        "permits": model.license.permits,
        "tokens_per_s": model.speed.tokens_per_s,
        "estimated": model.speed.estimated,
    }
    assert flat == facts


SCORES = {
    "nemotron-3-super": {
        "swe_bench_verified": 60.47,
        "gpqa": 82.70,
        "mmlu_pro": 83.73,
        "hle": 18.26,
        "ruler_1m": 91.75,
        "pinchbench": 85.6,
    },
    "qwen3.5-122b": {"swe_bench_verified": 73.0},
    "qwen3.5-397b": {"swe_bench_verified": 76.4, "gpqa": 88.4, "mmlu_pro": 86.0, "hle": 25.30},
}


def test_every_score_and_no_other(shipped: Catalog) -> None:
    """A blank of the comparison stays unknown; nothing is copied from a sibling."""
    assert {m.name: {s.benchmark: s.percent for s in m.scores} for m in shipped.models.values()} == SCORES


def test_every_score_says_where_it_is_from(shipped: Catalog) -> None:
    """Mode, source and date with each; one of them unconfirmed, one measured with tools."""
    scores = [(m.name, s) for m in shipped.models.values() for s in m.scores]
    assert all(s.mode == "on" and s.source and s.date.year == 2026 for _, s in scores)
    assert [(m, s.benchmark) for m, s in scores if not s.confirmed] == [("qwen3.5-122b", "swe_bench_verified")]
    gpqa = shipped.models["nemotron-3-super"].score("gpqa")
    assert gpqa is not None and "with tools" in gpqa.note
    assert shipped.models["qwen3.5-122b"].score("gpqa") is None


def test_modes_without_a_score_are_believed_to_be_worse(shipped: Catalog) -> None:
    """Thinking off and low have an offset below zero, else the cheapest mode would always win."""
    for model in shipped.models.values():
        assert model.thinking["on"].logit_offset == 0
        assert all(mode.logit_offset < 0 for name, mode in model.thinking.items() if name != "on")
        assert model.thinking["off"].reasoning_tokens == 0


def test_example_prices(shipped: Catalog) -> None:
    """USD per million tokens in and out, by deployment."""
    prices = {
        (m.name, d.name): (d.prices.input, d.prices.output)
        for m in shipped.models.values()
        for d in m.deployments
        if d.prices
    }
    assert prices == {
        ("nemotron-3-super", "deepinfra"): (0.085, 0.40),
        ("nemotron-3-super", "nebius"): (0.30, 0.90),
        ("qwen3.5-122b", "deepinfra"): (0.29, 2.40),
        ("qwen3.5-397b", "deepinfra"): (0.45, 3.00),
    }


def test_every_shipped_deployment_needs_a_key(shipped: Catalog) -> None:
    """Without keys the file loads and nothing is called by accident."""
    deployments = [d for m in shipped.models.values() for d in m.deployments]
    assert all(d.api_key_env for d in deployments)
    assert all(set(d.thinking) == set(m.thinking) for m in shipped.models.values() for d in m.deployments)


def test_speed_by_runtime_and_length(shipped: Catalog) -> None:
    """3x on CUDA and NIM, 7.5x at 64k on Blackwell, no advantage elsewhere, where DeltaNet is 10 to 50 times slower."""
    nemotron, qwen = shipped.models["nemotron-3-super"], shipped.models["qwen3.5-122b"]

    def speed(model: catalog.Model, runtime: str) -> tuple[float, float]:
        return model.tokens_per_s(model.deployments[0].model_copy(update={"runtime": runtime}))

    for native in ("cuda", "nim"):
        assert 458 <= speed(nemotron, native)[0] <= 484
        assert speed(qwen, native) == (152, 152)
    assert speed(nemotron, "blackwell-nvfp4")[1] / speed(qwen, "blackwell-nvfp4")[1] == pytest.approx(7.5, rel=0.01)
    assert speed(nemotron, "blackwell-nvfp4")[0] == speed(nemotron, "cuda")[0]
    elsewhere = {"rocm", "vulkan", "metal", "llama-cpp", "cpu"}
    assert set(nemotron.runtimes) == set(qwen.runtimes) == elsewhere | {"cuda", "nim", "blackwell-nvfp4"}
    for runtime in elsewhere:
        assert speed(nemotron, runtime)[0] <= 152
        assert 10 <= 152 / speed(qwen, runtime)[0] <= 50


def test_the_window_is_what_the_deployment_serves(shipped: Catalog) -> None:
    """A host may serve less than the model holds; `extended` serves more than the native context."""
    nemotron, qwen = shipped.models["nemotron-3-super"], shipped.models["qwen3.5-122b"]
    assert {d.name: nemotron.window(d) for d in nemotron.deployments} == {
        "deepinfra": 262_144,
        "nebius": 262_144,
        "nim": 1_000_000,
    }
    hosted = qwen.deployments[0]
    assert qwen.window(hosted) == 262_144
    assert qwen.window(hosted.model_copy(update={"extended": True})) == 1_010_000
    assert qwen.window(hosted.model_copy(update={"extended": True, "context": 500_000})) == 500_000


@pytest.mark.parametrize("name", POLICIES)
def test_classes_agree_with_the_policies(shipped: Catalog, name: str) -> None:
    """A class that has a benchmark exists in each policy; those without one are the known unknowns."""
    classes = set(policy.load(SHIPPED.with_name(f"{name}.yaml")).by_name)
    assert set(shipped.classes) <= classes
    assert classes - set(shipped.classes) == {"vision", "multilingual"}


def test_the_commented_examples_work() -> None:
    """Each commented-out deployment is valid once the comment signs are taken away."""
    text, examples = re.subn(r"(?m)^      # (- name: |  )", r"      \1", SHIPPED.read_text(encoding="utf-8"))
    assert examples > 20
    models = yaml_file.parse(text.encode(), "models.yaml", Catalog).models
    added = {d.name: (m, d) for m in models.values() for d in m.deployments}
    assert added["bedrock"][1].litellm_provider == "bedrock"
    assert [
        a.name
        for a in Catalog(models=models, benchmarks=catalog.load(SHIPPED).benchmarks).arms
        if added["bedrock"][1] in a.deployments
    ] == ["nemotron-3-super/on"]
    assert added["dashscope"][1].thinking["off"] == {"enable_thinking": False}
    model, long = added["vllm-long"]
    assert model.window(long) == 1_010_000
    assert long.usd.output == pytest.approx(4 * 2.5 / 3600 / (2000 * 0.4) * 1e6)


@pytest.mark.parametrize(
    ("gpus", "hour", "utilisation", "throughput", "ratio", "output"),
    [(8, 2.5, 0.5, 2000, 10, 5.5556), (8, 2.5, 1.0, 2000, 10, 2.7778), (1, 3.6, 1.0, 1000, 4, 1.0)],
)
def test_own_hardware_has_a_price_per_token(
    gpus: int, hour: float, utilisation: float, throughput: float, ratio: float, output: float
) -> None:
    """GPU-hours over the tokens made in the paid-for share of the time; input at a fraction of that."""
    prices = SelfHosted(
        gpus=gpus, gpu_hour_usd=hour, utilisation=utilisation, throughput=throughput, prefill_ratio=ratio
    ).prices()
    assert prices.output == pytest.approx(output, rel=1e-4)
    assert prices.input == pytest.approx(output / ratio, rel=1e-4)


def test_an_arm_has_the_deployments_that_offer_its_mode(shipped: Catalog) -> None:
    """A deployment that cannot select a mode is not used for it; a model with one mode needs no parameter."""
    assert [a.name for a in shipped.arms] == [
        "nemotron-3-super/on",
        "nemotron-3-super/low",
        "nemotron-3-super/off",
        "qwen3.5-122b/on",
        "qwen3.5-122b/off",
        "qwen3.5-397b/on",
        "qwen3.5-397b/off",
    ]
    some = parse(GOOD.replace('"on": {x: 1}, ', "")).arm
    assert [len(some[f"m/{mode}"].deployments) for mode in ("on", "off")] == [0, 1]
    single = parse(re.sub(r"    thinking: .*\n|, thinking: .*(?=\})", "", GOOD).replace(", mode: off", ", mode: off"))
    assert [(a.name, len(a.deployments)) for a in single.arms] == [("m/off", 1)]
    assert repr(single.arms[0]) == "Arm(m/off)"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"base_url": "http://127.0.0.1:8000/v1/"}, "http://127.0.0.1:8000/v1"),
        ({"litellm_provider": "anthropic", "api_base": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ({"litellm_provider": "bedrock"}, ""),
    ],
)
def test_the_address_of_a_deployment(fields: dict[str, Any], url: str) -> None:
    """Without a slash at the end; empty where litellm knows it."""
    assert Deployment(name="d", model="m", prices={"input": 1, "output": 2}, **fields).url == url  # type: ignore[arg-type]


GOOD = """\
benchmarks:
  b: {title: B, measures: one question}
classes: {chat: b}
models:
  m:
    family: f
    maker: me
    license: {name: MIT, spdx: MIT, permits: [use]}
    context: {native: 1000, extended: 2000}
    thinking: {"on": {}, "off": {logit_offset: -1}}
    speed: {tokens_per_s: 100}
    runtimes: {cuda: 1, cpu: 0.1}
    runtimes_64k: {cuda: 2}
    scores:
      - {benchmark: b, percent: 50, source: s, date: 2026-01-01, mode: off}
    deployments:
      - name: one
        model: x
        base_url: http://127.0.0.1:1/v1
        api_key_env: A_KEY
        prices: {input: 1, output: 2}
        runtime: cuda
        thinking: {"on": {x: 1}, "off": {x: 2}}
"""


def parse(text: str) -> Catalog:
    return yaml_file.parse(text.encode(), "models.yaml", Catalog)


BAD: list[tuple[str, str, str, int, str]] = [
    ("unknown benchmark of a class", "chat: b", "chat: c", 3, "classes.chat: unknown benchmark 'c'"),
    (
        "unknown benchmark of a score",
        "benchmark: b",
        "benchmark: c",
        15,
        "models.m.scores.0.benchmark: unknown benchmark 'c'",
    ),
    (
        "score in a mode that is not there",
        "mode: off",
        "mode: low",
        15,
        "models.m.scores.0.mode: 'low' is not a thinking mode",
    ),
    ("score of 0", "percent: 50", "percent: 0", 15, "percent: Input should be greater than 0"),
    ("score of 100", "percent: 50", "percent: 100", 15, "percent: Input should be less than 100"),
    ("score without a source", "source: s, ", "", 15, "models.m.scores.0.source: Field required"),
    ("date that is none", "2026-01-01", "soon", 15, "models.m.scores.0.date"),
    (
        "negative price",
        "input: 1",
        "input: -1",
        21,
        "models.m.deployments.0.prices.input: Input should be greater than or equal to 0",
    ),
    (
        "price that is NaN",
        "input: 1",
        "input: .nan",
        21,
        "models.m.deployments.0.prices.input: Input should be a finite number",
    ),
    (
        "price that is true",
        "input: 1",
        "input: true",
        21,
        "models.m.deployments.0.prices.input: must not be true or false",
    ),
    (
        "no price",
        "        prices: {input: 1, output: 2}\n",
        "",
        17,
        "models.m.deployments.0: give either prices or self_hosted",
    ),
    (
        "no address",
        "        base_url: http://127.0.0.1:1/v1\n",
        "",
        17,
        "models.m.deployments.0: give either base_url or litellm_provider",
    ),
    (
        "address that is none",
        "http://127.0.0.1:1/v1",
        "localhost",
        19,
        "models.m.deployments.0.base_url: Input should be a valid URL",
    ),
    ("address of a file", "http://127.0.0.1:1/v1", "file:///etc/passwd", 19, "URL scheme should be 'http' or 'https'"),
    ("a key itself", "A_KEY", "sk-12345", 20, "models.m.deployments.0.api_key_env: String should match pattern"),
    (
        "runtime that is not there",
        "runtime: cuda",
        "runtime: tpu",
        22,
        "models.m.deployments.0.runtime: 'tpu' is not one of",
    ),
    ("runtime of no speed", "cpu: 0.1", "cpu: 0", 12, "models.m.runtimes.cpu: Input should be greater than 0"),
    ("64k factor of an unknown runtime", "{cuda: 2}", "{tpu: 2}", 13, "models.m.runtimes_64k.tpu: is not one of"),
    ("extended below native", "extended: 2000", "extended: 500", 9, "models.m.context.extended: must be above native"),
    (
        "extended without",
        ", extended: 2000}",
        "}",
        23,
        "models.m.deployments.0.extended: the model has no extended context",
    ),
    (
        "mode that the model lacks",
        '"off": {x: 2}',
        'low: {}, "off": {}',
        23,
        "models.m.deployments.0.thinking: unknown thinking modes",
    ),
    ("mode that nobody has", '"off": {x: 2}', "maybe: {}", 23, "models.m.deployments.0.thinking.maybe"),
    (
        "parameter that is not JSON",
        "{x: 2}",
        "{x: .inf}",
        23,
        "models.m.deployments.0.thinking.off: cannot be written as JSON",
    ),
    (
        "parameter that is a date",
        "{x: 2}",
        "{x: 2026-01-01}",
        23,
        "models.m.deployments.0.thinking.off: cannot be written as JSON",
    ),
    (
        "no modes",
        '{"on": {}, "off": {logit_offset: -1}}',
        "{}",
        10,
        "models.m.thinking: Dictionary should have at least 1 item",
    ),
    ("unknown need", "[use]", "[sell]", 8, "models.m.license.permits"),
    ("unknown key", "family: f", "famly: f", 6, "models.m.famly: there is no such key here"),
    (
        "key that would go on",
        "runtime: cuda",
        "forward_headers: [x-a, Authorization]",
        22,
        "models.m.deployments.0.forward_headers.1: authorization is never passed on",
    ),
    (
        "hint that would go on",
        "runtime: cuda",
        "forward_headers: [x-turnout-step]",
        22,
        "models.m.deployments.0.forward_headers.0: x-turnout-step is never passed on",
    ),
    (
        "header that is none",
        "runtime: cuda",
        'forward_headers: ["x a"]',
        22,
        "models.m.deployments.0.forward_headers.0: 'x a' is not the name of a header",
    ),
    (
        "header that is set already",
        "runtime: cuda",
        "forward_headers: [x-a]\n        headers: {X-A: b}",
        22,
        "models.m.deployments.0.forward_headers: x-a is among headers already",
    ),
    ("unknown dialect", "runtime: cuda", "dialects: {klingon: {}}", 22, "models.m.deployments.0.dialects.klingon"),
    (
        "dialect of litellm's",
        "base_url: http://127.0.0.1:1/v1",
        'litellm_provider: bedrock\n        dialects: {messages: {"on": {}}}',
        20,
        "models.m.deployments.0.dialects: needs base_url",
    ),
    (
        "dialect's parameters that are no JSON",
        "runtime: cuda",
        'dialects: {messages: {"on": {at: .nan}}}',
        22,
        "models.m.deployments.0.dialects.messages.on: cannot be written as JSON",
    ),
    ("unknown place of thoughts", "runtime: cuda", "thoughts: content", 22, "models.m.deployments.0.thoughts"),
    ("unknown feature", "runtime: cuda", "supports: [video]", 22, "models.m.deployments.0.supports"),
    ("model called auto", "  m:\n", "  auto:\n", 5, "models.auto: is the name by which callers leave the choice"),
    ("name with a path", "name: one", "name: ../one", 17, "models.m.deployments.0.name: '../one' is not a name"),
    (
        "name with a line break",
        "name: one",
        'name: "one\\n"',
        17,
        "models.m.deployments.0.name: 'one\\n' is not a name",
    ),
    ("model name with capitals", "  m:\n", "  M!:\n", 5, "models.M!: 'M!' is not a name"),
    ("class name with a slash", "chat: b", "a/b: b", 3, "classes.a/b: 'a/b' is not a name"),
    ("version to come", "benchmarks:\n", "version: 2\nbenchmarks:\n", 1, "version: Input should be 1"),
    ("model that is a word", "  m:\n", "  n: hello\n  m:\n", 5, "models.n: Input should be a valid dictionary"),
]


def test_the_base_of_the_bad_files_is_good() -> None:
    """So each of them fails for its own mistake alone."""
    assert list(parse(GOOD).models) == ["m"]


@pytest.mark.parametrize(("old", "new", "line", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_mistake_is_told_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    """One change to a good file, one message that names the place."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if reason.endswith("no extended context"):
        text += "        extended: true\n"
        line = 24
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert reason in caught.value.reason
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("models: {}\n", 1, "models: name at least one"),
        ("version: 1\n", 1, "models: Field required"),
        ("models: [a]\n", 1, "models: Input should be a valid dictionary"),
        (
            GOOD + GOOD[GOOD.index("      - name: one") :],
            24,
            "models.m.deployments.1.name: two deployments are called 'one'",
        ),
    ],
)
def test_a_mistake_in_the_whole(text: str, line: int, reason: str) -> None:
    """No models, or one name for two deployments."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.reason[: len(reason)]) == (line, reason)


def test_a_score_twice_is_refused() -> None:
    """Two results of one benchmark in one mode cannot both be the prior."""
    score = "      - {benchmark: b, percent: 50, source: s, date: 2026-01-01, mode: off}\n"
    with pytest.raises(ConfigError, match=r"models.yaml:16: models.m.scores.1: a second score for 'b'"):
        parse(GOOD.replace(score, score + score))


EMBEDDING = (
    GOOD
    + """\
embeddings:
  e:
    aliases: [text-embedding-3-small]
    deployments:
      - {name: one, model: x, base_url: "http://127.0.0.1:1/v1", api_key_env: B_KEY, prices: {input: 1, output: 0}}
  f: {}
"""
)


def test_embedding_models() -> None:
    """They have names, deployments and keys like other models, and are none of them."""
    whole = parse(EMBEDDING)
    assert whole.embeddings["e"].name == "e" and list(whole.models) == ["m"]
    assert [(name, d.name) for name, d in whole.places] == [("m", "one"), ("e", "one")]
    some, missing = catalog.usable(whole, {"A_KEY": "x"})
    assert missing == {"e:one": "B_KEY"} and not some.embeddings["e"].deployments
    assert some.models["m"].deployments == whole.models["m"].deployments


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("  f: {}", "  m: {}", 29, "embeddings.m: 'm' is another model's name already"),
        ("  f: {}", "  f: {aliases: [e]}", 29, "embeddings.f: 'e' is another model's name already"),
        ("  f: {}", "  auto: {}", 29, "embeddings.auto: 'auto' is another model's name already"),
        ("  f: {}", "  F: {}", 29, "embeddings.F: 'F' is not a name"),
        (
            "      - {name: one, model: x, base_url",
            "      - {name: one, model: x, litellm_provider: cohere, api_base",
            28,
            "embeddings.e.deployments.0: embeddings need base_url",
        ),
        (
            "  f: {}",
            "      - {name: one, model: x, base_url: 'http://a/v1', prices: {input: 1, output: 0}}",
            29,
            "embeddings.e.deployments.1.name: two deployments are called 'one'",
        ),
    ],
)
def test_a_mistake_in_an_embedding_model(old: str, new: str, line: int, reason: str) -> None:
    """Told with its line."""
    with pytest.raises(ConfigError) as caught:
        parse(EMBEDDING.replace(old, new))
    assert caught.value.reason.startswith(reason) and caught.value.line == line


@pytest.mark.parametrize(
    ("wanted", "lacks"),
    [
        ({"MIT"}, None),
        ({"mit", "use"}, None),
        ({"use", "derive"}, "MIT does not grant derive"),
        ({"Apache-2.0"}, "licence is MIT; the step asks for Apache-2.0"),
    ],
)
def test_what_a_licence_grants(wanted: set[str], lacks: str | None) -> None:
    """All needs, and one of the ids."""
    assert parse(GOOD).models["m"].license.lacks(frozenset(wanted)) == lacks


def test_every_key_is_documented() -> None:
    """docs/catalog.md names each key of the file."""
    docs = (Path(__file__).parent.parent / "docs" / "catalog.md").read_text(encoding="utf-8")
    types = [
        t
        for t in vars(catalog).values()
        if isinstance(t, type) and issubclass(t, yaml_file.Strict) and t is not yaml_file.Strict
    ]
    keys = {key for t in types for key in t.model_fields}
    assert [key for key in sorted(keys) if f"`{key}`" not in docs] == []


def test_ignorance_is_no_advantage(shipped: Catalog) -> None:
    """On every benchmark, a model without a score starts below all that have one, and is held weakly."""
    prior = success.prior(shipped)
    for step_class, benchmark in shipped.classes.items():
        arms = {f"{m.name}/on": m.score(benchmark) for m in shipped.models.values()}
        beliefs = {arm: prior.of(arm, step_class, 1.5, 1.0) for arm in arms}
        scored = [b.p for arm, b in beliefs.items() if arms[arm] is not None]
        for arm, belief in beliefs.items():
            if arms[arm] is None:
                assert belief.source == "unknown" and belief.p < min(scored) and belief.strength == 2


def test_deployments_without_a_key_are_left_out(shipped: Catalog) -> None:
    """The variable that is missing is named; an empty one counts as missing; the file's own catalog stays as it was."""
    keys = {"DEEPINFRA_API_KEY": "x", "NEBIUS_API_KEY": ""}
    some, missing = catalog.usable(shipped, keys)
    assert missing == {"nemotron-3-super:nebius": "NEBIUS_API_KEY", "nemotron-3-super:nim": "NIM_API_KEY"}
    assert [d.name for d in some.models["nemotron-3-super"].deployments] == ["deepinfra"]
    assert [d.name for d in some.arm["nemotron-3-super/low"].deployments] == ["deepinfra"]
    assert len(shipped.models["nemotron-3-super"].deployments) == 3
    assert catalog.usable(some, keys) == (some, {})


@pytest.mark.parametrize(("cached_input", "cost"), [(None, 0.00592), (0.1, 0.00592 - 4_000 * 0.19e-6)])
def test_the_cost_of_an_answer(cached_input: float | None, cost: float) -> None:
    """Input, output, and what the prompt cache held: at its own price where one is stated."""
    prices = catalog.Prices(input=0.29, output=2.40, cached_input=cached_input)
    assert prices.cost(8_000, 1_500, 4_000) == pytest.approx(cost)


def test_what_is_no_mapping_is_no_catalog() -> None:
    """A list in the place of the whole is refused like any other mistake."""
    with pytest.raises(ValidationError, match="valid dictionary"):
        Catalog.model_validate([])
