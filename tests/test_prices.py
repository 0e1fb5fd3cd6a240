"""Price proposals: which entry of the cost map a deployment matches, and the edit that follows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router import catalog, loader, prices, yaml_file
from router.catalog import Catalog
from router.errors import ConfigError
from router.settings import shipped_dir


def entry(provider: str, put: object = 1e-6, out: object = 2e-6, **more: object) -> dict[str, Any]:
    return {
        "litellm_provider": provider,
        "mode": "chat",
        "input_cost_per_token": put,
        "output_cost_per_token": out,
        **more,
    }


def parse(
    where: str, model: str = "Qwen/Qwen3.5-122B-A10B", price: str = "prices: {input: 1, output: 2}"
) -> tuple[str, Catalog]:
    text = f"""\
models:
  m:
    family: f
    maker: me
    license: {{name: MIT, permits: [use]}}
    context: {{native: 1000}}
    speed: {{tokens_per_s: 100}}
    deployments:
      # the only one
      - name: d
        model: {model}
        {where}
        {price} # as of today
"""
    return text, yaml_file.parse(text.encode(), "models.yaml", Catalog)


DEEPINFRA = "base_url: https://api.deepinfra.com/v1/openai"
Q = "Qwen/Qwen3.5-122B-A10B"

MATCHES: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    (
        "the whole id at the host's provider",
        DEEPINFRA,
        Q,
        {f"deepinfra/{Q}": entry("deepinfra")},
        "same",
        f"deepinfra/{Q}",
    ),
    ("capitals aside", DEEPINFRA, Q, {f"deepinfra/{Q.lower()}": entry("deepinfra")}, "same", f"deepinfra/{Q.lower()}"),
    (
        "without the maker in front",
        DEEPINFRA,
        Q,
        {"deepinfra/Qwen3.5-122B-A10B": entry("deepinfra")},
        "same",
        "deepinfra/Qwen3.5-122B-A10B",
    ),
    (
        "with a maker in front",
        DEEPINFRA,
        "Qwen3.5-122B-A10B",
        {f"deepinfra/{Q}": entry("deepinfra")},
        "same",
        f"deepinfra/{Q}",
    ),
    ("another price", DEEPINFRA, Q, {f"deepinfra/{Q}": entry("deepinfra", 3e-6)}, "changed", f"deepinfra/{Q}"),
    (
        "the whole id before a part of it",
        DEEPINFRA,
        Q,
        {f"deepinfra/{Q}": entry("deepinfra"), "deepinfra/x/Qwen3.5-122B-A10B": entry("deepinfra", 9e-6)},
        "same",
        f"deepinfra/{Q}",
    ),
    (
        "two parts that differ",
        DEEPINFRA,
        "Qwen3.5-122B-A10B",
        {f"deepinfra/{Q}": entry("deepinfra"), "deepinfra/x/Qwen3.5-122B-A10B": entry("deepinfra", 9e-6)},
        "not found",
        "ambiguous",
    ),
    (
        "two parts that agree",
        DEEPINFRA,
        "Qwen3.5-122B-A10B",
        {f"deepinfra/{Q}": entry("deepinfra"), "deepinfra/x/Qwen3.5-122B-A10B": entry("deepinfra")},
        "same",
        f"deepinfra/{Q}",
    ),
    (
        "another provider's price",
        DEEPINFRA,
        Q,
        {f"novita/{Q}": entry("novita")},
        "not found",
        "no provider for api.deepinfra.com",
    ),
    (
        "a longer id",
        DEEPINFRA,
        Q,
        {f"deepinfra/{Q}-Turbo": entry("deepinfra")},
        "not found",
        f"no {Q} at api.deepinfra.com",
    ),
    ("no price per token", DEEPINFRA, Q, {f"deepinfra/{Q}": entry("deepinfra", None)}, "not found", "no provider"),
    ("a price in words", DEEPINFRA, Q, {f"deepinfra/{Q}": entry("deepinfra", "1e-6")}, "not found", "no provider"),
    ("a negative price", DEEPINFRA, Q, {f"deepinfra/{Q}": entry("deepinfra", -1e-6)}, "not found", "no provider"),
    ("NaN", DEEPINFRA, Q, {f"deepinfra/{Q}": entry("deepinfra", float("nan"))}, "not found", "no provider"),
    (
        "an entry without a provider",
        DEEPINFRA,
        Q,
        {f"deepinfra/{Q}": {"input_cost_per_token": 1e-6}},
        "not found",
        "no provider",
    ),
    (
        "a provider with a longer name",
        "base_url: https://api.together.xyz/v1",
        Q,
        {f"together_ai/{Q}": entry("together_ai")},
        "same",
        f"together_ai/{Q}",
    ),
    (
        "a region in the host",
        "base_url: https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "qwen3.5-plus",
        {"dashscope/qwen3.5-plus": entry("dashscope")},
        "same",
        "dashscope/qwen3.5-plus",
    ),
    (
        "a host of its own",
        "base_url: http://127.0.0.1:8000/v1",
        Q,
        {f"deepinfra/{Q}": entry("deepinfra")},
        "not found",
        "no provider for 127.0.0.1",
    ),
    (
        "a top-level domain is no provider",
        "base_url: https://example.ai/v1",
        Q,
        {f"ai/{Q}": entry("ai")},
        "not found",
        "no provider",
    ),
    (
        "a stated provider, key without prefix",
        "litellm_provider: bedrock",
        "nvidia.n",
        {"nvidia.n": entry("bedrock_converse"), "bedrock/eu/nvidia.n": entry("bedrock", 9e-6)},
        "same",
        "nvidia.n",
    ),
    (
        "a stated provider with an address",
        "litellm_provider: groq\n        api_base: https://api.deepinfra.com",
        Q,
        {f"groq/{Q}": entry("groq"), f"deepinfra/{Q}": entry("deepinfra", 9e-6)},
        "same",
        f"groq/{Q}",
    ),
    ("an empty map", DEEPINFRA, Q, {}, "not found", "no provider"),
]


@pytest.mark.parametrize(
    ("where", "model", "cost_map", "status", "source"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES]
)
def test_which_entry_is_meant(where: str, model: str, cost_map: dict[str, Any], status: str, source: str) -> None:
    """By provider and id; prefixes and capitals do not matter, and where two entries differ nothing is guessed."""
    (proposal,) = prices.proposals(parse(where, model)[1], cost_map)
    assert (proposal.model, proposal.deployment, proposal.status) == ("m", "d", status)
    assert source in proposal.source
    assert (proposal.proposed is None) == (status == "not found")


def test_own_hardware_has_no_list_price() -> None:
    """Its price follows from the four numbers in the file."""
    text, models = parse(DEEPINFRA, price="self_hosted: {gpus: 1, gpu_hour_usd: 3.6, utilisation: 1, throughput: 1000}")
    (proposal,) = prices.proposals(models, {f"deepinfra/{Q}": entry("deepinfra")})
    assert (proposal.status, proposal.proposed) == ("self-hosted", None)
    assert proposal.note.startswith("$0.10 / $1.00  self-hosted: ")
    assert prices.as_diff(text, [proposal]) == ""


EDITS: list[tuple[str, dict[str, Any], str]] = [
    ("prices: {input: 1, output: 2}", entry("deepinfra", 8.5e-8, 4e-7), "prices: {input: 0.085, output: 0.40}"),
    ("prices: {input: 1, output: 2}", entry("deepinfra", 1e-6, 3e-6), "prices: {input: 1, output: 3.00}"),
    ("prices: {input: 1, output: 2}", entry("deepinfra", 0, 2e-6), "prices: {input: 0.00, output: 2}"),
    (
        "prices: {input: 1, output: 2}",
        entry("deepinfra", cache_read_input_token_cost=2.2e-7),
        "prices: {input: 1, output: 2, cached_input: 0.22}",
    ),
    (
        "prices: {input: 1, output: 2, cached_input: 0.5}",
        entry("deepinfra", 3e-6),
        "prices: {input: 3.00, output: 2, cached_input: 0.5}",
    ),
    ("prices: {input: 1, output: 2}", entry("deepinfra", 3.0000000000000004e-7), "prices: {input: 0.30, output: 2}"),
    (
        "prices: {input: 1, output: 2}",
        entry("deepinfra", cache_read_input_token_cost=0),
        "prices: {input: 1, output: 2}",
    ),
    (
        "prices:\n          input: 1 # in\n          output: 2",
        entry("deepinfra", 3e-6, cache_read_input_token_cost=1e-7),
        "prices:\n          input: 3.00 # in\n          output: 2\n          cached_input: 0.10",
    ),
]


@pytest.mark.parametrize(("price", "found", "expected"), EDITS)
def test_the_edit_keeps_everything_else(price: str, found: dict[str, Any], expected: str) -> None:
    """Only the numbers change; the result is a valid catalog with which the map then agrees."""
    text, models = parse(DEEPINFRA, price=price)
    new = prices.updated(text, prices.proposals(models, {f"deepinfra/{Q}": found}))
    assert new == text.replace(price, expected)
    again = prices.proposals(yaml_file.parse(new.encode(), "models.yaml", Catalog), {f"deepinfra/{Q}": found})
    assert [p.status for p in again] == ["same"]


def test_the_diff_is_one_that_patch_takes(tmp_path: Path) -> None:
    """A unified diff with the file's own name."""
    text, models = parse(DEEPINFRA)
    wanted = prices.proposals(models, {f"deepinfra/{Q}": entry("deepinfra", 3e-6)})
    assert wanted[0].note == f"$1.00 / $2.00  changed in deepinfra/{Q}: $3.00 / $2.00"
    diff = prices.as_diff(text, wanted, "models.yaml")
    assert diff.splitlines()[:2] == ["--- models.yaml", "+++ models.yaml"]
    assert [line for line in diff.splitlines()[3:] if line[0] in "+-"] == [
        "-        prices: {input: 1, output: 2} # as of today",
        "+        prices: {input: 3.00, output: 2} # as of today",
    ]
    if shutil.which("patch"):
        (tmp_path / "models.yaml").write_text(text)
        subprocess.run(["patch", "-p0"], input=diff.encode(), cwd=tmp_path, check=True, capture_output=True)
        assert (tmp_path / "models.yaml").read_text() == prices.updated(text, wanted)


def test_the_shipped_prices_against_the_installed_map() -> None:
    """Each hosted example is an entry of litellm's map, so that there is something to compare with."""
    path = shipped_dir() / "models.yaml"
    found = prices.proposals(catalog.load(path), loader.cost_map())
    assert {(p.model, p.deployment): p.source for p in found if p.status != "self-hosted"} == {
        ("nemotron-3-super", "deepinfra"): "deepinfra/nvidia/NVIDIA-Nemotron-3-Super-120B-A12B",
        ("nemotron-3-super", "nebius"): "nebius/nvidia/nemotron-3-super-120b-a12b",
        ("qwen3.5-122b", "deepinfra"): "deepinfra/Qwen/Qwen3.5-122B-A10B",
        ("qwen3.5-397b", "deepinfra"): "deepinfra/Qwen/Qwen3.5-397B-A17B",
    }
    text = path.read_text(encoding="utf-8")
    yaml_file.parse(prices.updated(text, found).encode(), "models.yaml", Catalog)


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("{", "cannot be read")])
def test_a_cost_map_that_is_broken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, reason: str
) -> None:
    """A litellm without its price list is a message with the path, not a traceback."""
    package = tmp_path / "litellm"
    package.mkdir()
    (package / "__init__.py").touch()
    if content is not None:
        (package / loader.COST_MAP).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    with pytest.raises(ConfigError, match=reason):
        loader.cost_map()


def test_the_cost_map_is_read_without_importing_litellm() -> None:
    """The import takes seconds and 200 MB; the file beside it does not."""
    code = "import sys; from router import loader; sys.exit(len(loader.cost_map()) < 1000 or 'litellm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
