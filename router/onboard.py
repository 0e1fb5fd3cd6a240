"""A catalog for one's own endpoints: deployments from a few flags, written into the shipped catalog's text."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from router import yaml_file
from router.catalog import Catalog, Deployment, Mode, Model
from router.errors import ConfigError

Dialect = Literal["template", "top-level", "reasoning", "none"]
"""How an endpoint is told to think: its chat template, a switch in the body, OpenRouter's object, or not at all."""

_THINKING: Mapping[Dialect, Mapping[Mode, Mapping[str, Any]]] = {
    "template": {
        "on": {"chat_template_kwargs": {"enable_thinking": True}},
        "low": {"chat_template_kwargs": {"enable_thinking": True, "low_effort": True}},
        "off": {"chat_template_kwargs": {"enable_thinking": False}},
    },
    "top-level": {"on": {"enable_thinking": True}, "off": {"enable_thinking": False}},
    "reasoning": {
        "on": {"reasoning": {"enabled": True}},
        "low": {"reasoning": {"effort": "low"}},
        "off": {"reasoning": {"enabled": False}},
    },
    "none": {"on": {}},
}


class Provider(msgspec.Struct, frozen=True):
    """What is known of a kind of endpoint beforehand."""

    dialect: Dialect
    models: Mapping[str, str]
    """Catalog model → its id there."""
    base_url: str | None = None
    key_env: str | None = None
    """Variable that holds the key for `base_url`; another address gets no key unless one is named."""
    runtime: str = "cuda"


PROVIDERS: Mapping[str, Provider] = {
    "openrouter": Provider(
        "reasoning",
        {
            "nemotron-3-super": "nvidia/nemotron-3-super-120b-a12b",
            "qwen3.5-122b": "qwen/qwen3.5-122b-a10b",
            "qwen3.5-397b": "qwen/qwen3.5-397b-a17b",
        },
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    "vllm": Provider(
        "template",
        {
            "nemotron-3-super": "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8",
            "qwen3.5-122b": "Qwen/Qwen3.5-122B-A10B",
            "qwen3.5-397b": "Qwen/Qwen3.5-397B-A17B",
        },
        "http://127.0.0.1:8000/v1",
    ),
    "nim": Provider(
        "template",
        {
            "nemotron-3-super": "nvidia/nemotron-3-super-120b-a12b",
            "qwen3.5-122b": "qwen/qwen3.5-122b-a10b",
            "qwen3.5-397b": "qwen/qwen3.5-397b-a17b",
        },
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_API_KEY",
        "nim",
    ),
    "dashscope": Provider(
        "top-level",
        {"qwen3.5-122b": "qwen3.5-122b-a10b", "qwen3.5-397b": "qwen3.5-397b-a17b"},
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
    ),
    "other": Provider("template", {}),
}

Chosen = tuple[str, Deployment]
"""A catalog model and a deployment of it."""

_PRICES = {"nemotron-3-super": (0.30, 0.90), "qwen3.5-122b": (0.40, 3.20), "qwen3.5-397b": (0.60, 3.60)}
"""USD per million tokens in and out: the middle of what hosts ask, until a person writes what theirs does."""
_HARDWARE = {"gpus": 8, "gpu_hour_usd": 2.5, "utilisation": 0.5, "prefill_ratio": 10}
"""Own hardware, until a person writes what theirs is."""
_STREAMS = 20
"""Throughput under full load over the catalog's speed of one answer: faster models are cheaper on the same hardware."""


def deployments(
    provider: str,
    catalog: Catalog,
    *,
    base_url: str | None = None,
    key_env: str | None = None,
    models: Mapping[str, str] | None = None,
    prices: tuple[float, float] | None = None,
    runtime: str | None = None,
    dialect: Dialect | None = None,
    name: str | None = None,
) -> tuple[Chosen, ...]:
    """One deployment for each of `models` (catalog model → id there; all that the provider has where not given).

    `prices` are USD per million tokens in and out. Raises ConfigError that names what is missing or wrong.
    """
    known = PROVIDERS.get(provider)
    if known is None:
        raise ConfigError("provider", None, f"{provider!r} is not one of {', '.join(PROVIDERS)}")
    url = base_url or known.base_url
    if url is None:
        raise ConfigError("base_url", None, "is needed: the endpoint's address, up to and with /v1")
    served = known.models if models is None else models
    if not served:
        raise ConfigError(
            "models",
            None,
            f"name at least one, as catalog model=id there; catalog models are: {', '.join(catalog.models)}",
        )
    key = key_env or (known.key_env if url == known.base_url else None)
    fields = {"name": name or provider, "base_url": url, "api_key_env": key, "runtime": runtime or known.runtime}
    return tuple(
        (model, _deployment(_model(catalog, model), {**fields, "model": there}, dialect or known.dialect, prices))
        for model, there in served.items()
    )


def _model(catalog: Catalog, name: str) -> Model:
    if name not in catalog.models:
        raise ConfigError("models", None, f"{name!r} is not in the catalog; it has: {', '.join(catalog.models)}")
    return catalog.models[name]


def _deployment(
    model: Model, fields: dict[str, Any], dialect: Dialect, prices: tuple[float, float] | None
) -> Deployment:
    if fields["runtime"] not in model.runtimes:
        raise ConfigError("runtime", None, f"{fields['runtime']!r} is not one of {', '.join(model.runtimes)}")
    if prices is not None:
        money: dict[str, Any] = {"prices": {"input": prices[0], "output": prices[1]}}
    elif _own(fields["base_url"]):
        throughput = round(_STREAMS * model.speed.tokens_per_s, -2) or 100
        money = {"self_hosted": {**_HARDWARE, "throughput": throughput}}
    else:
        asked = _PRICES.get(model.name, (0.5, 2.0))
        money = {"prices": {"input": asked[0], "output": asked[1]}}
    thinking = {mode: parameters for mode, parameters in _THINKING[dialect].items() if mode in model.thinking}
    try:
        return Deployment.model_validate({**fields, **money, "thinking": thinking})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(str(first["loc"][0]) if first["loc"] else "deployment", None, first["msg"]) from None


def _own(url: str) -> bool:
    """Whether the address is on this machine or its own network, where one pays for hardware and not for tokens."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".lan"))


def kept(catalog: Catalog, chosen: Sequence[Chosen]) -> tuple[Chosen, ...]:
    """The deployments of a catalog that `chosen` does not replace: other models, ids or addresses."""
    new = {(model, d.model, d.url) for model, d in chosen}
    return tuple(
        (m.name, d) for m in catalog.models.values() for d in m.deployments if (m.name, d.model, d.url) not in new
    )


def catalog_text(base: str, chosen: Sequence[Chosen]) -> str:
    """The catalog file `base` with its deployments replaced by `chosen`: facts, scores and comments stay.

    A model that nobody serves keeps its facts and has no deployments. Raises KeyError for a model that `base` lacks.
    """
    names = yaml_file.parse(base.encode(), "catalog", Catalog).models
    if unknown := {model for model, _ in chosen} - set(names):
        raise KeyError(*sorted(unknown))
    return yaml_file.edit(
        base, {("models", name, "deployments"): _block([d for m, d in chosen if m == name]) for name in names}
    )


def _block(served: Sequence[Deployment]) -> str:
    """A YAML list, as it stands below `deployments:` in the shipped file; deployments of one name are numbered."""
    taken: list[str] = []
    entries: list[str] = []
    for d in served:
        name = next(n for n in chain((d.name,), (f"{d.name}-{i}" for i in count(2))) if n not in taken)
        taken.append(name)
        fields = {**d.model_dump(mode="json", exclude_defaults=True), "name": name}
        lines = [f"{key}: {_flow(value)}{_REMARKS.get(key, '')}" for key, value in fields.items()]
        entries.append("- " + "\n        ".join(lines))
    return "\n      ".join(entries) or "[]"


_REMARKS = {
    "prices": " # USD per million tokens: an example; write what your host asks",
    "self_hosted": " # examples: write your GPUs, what they cost, and what they reach under load",
}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|https?://[A-Za-z0-9_.:/-]*[A-Za-z0-9_/-]")
_WORDS = {"on", "off", "yes", "no", "true", "false", "null", "y", "n"}


def _flow(value: Any) -> str:
    """`value` as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
