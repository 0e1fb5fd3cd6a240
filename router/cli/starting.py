"""`turnout init`: from a few answers to a catalog that has been tried."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from router import catalog as catalogs
from router import loader, onboard, probe
from router.catalog import Catalog
from router.cli import show
from router.errors import ConfigError
from router.onboard import PROVIDERS, Chosen, Dialect
from router.settings import shipped_dir


class Wish(msgspec.Struct, frozen=True):
    """What the flags of `turnout init` say."""

    provider: str | None
    base_url: str | None
    key_env: str | None
    models: tuple[str, ...]
    prices: tuple[float, float] | None
    runtime: str | None
    dialect: Dialect | None
    output: Path
    probe: bool
    force: bool
    add: bool


def init(console: Console, wish: Wish, environment: Mapping[str, str]) -> None:
    """Writes `models.yaml` and the shipped policies into the folder. Raises ConfigError that says what to do."""
    target = wish.output / "models.yaml"
    if target.exists() and not (wish.force or wish.add):
        raise ConfigError(
            str(target),
            None,
            "is there already; say --add to keep what it has, --force to replace it, or another --output",
        )
    shipped = shipped_dir()
    base = target if wish.add and target.exists() else shipped / "models.yaml"
    catalog = catalogs.load(base)
    chosen = _chosen(_asked(wish), catalog)
    if wish.probe:
        chosen = _tried(console, chosen, environment)
    if base == target:
        chosen = onboard.kept(catalog, chosen) + chosen
    text = onboard.catalog_text(base.read_text("utf-8"), chosen)
    wish.output.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    catalogs.load(target)
    for policy in sorted(shipped.glob("*.yaml")):
        if policy.name != "models.yaml" and not (wish.output / policy.name).exists():
            shutil.copyfile(policy, wish.output / policy.name)
    show.say(console, f"Wrote {target} with {len(chosen)} deployment(s), and the policies beside it.")
    show.say(console, f"Next: turnout serve --policies {wish.output}")


def _asked(wish: Wish) -> Wish:
    """The wish, with what is missing asked for where somebody is there to answer."""
    if wish.provider is None:
        if not sys.stdin.isatty():
            raise ConfigError("--provider", None, f"is needed: one of {', '.join(PROVIDERS)}")
        wish = msgspec.structs.replace(wish, provider=typer.prompt(f"Provider ({', '.join(PROVIDERS)})"))
    known = PROVIDERS.get(wish.provider or "")
    if known is not None and sys.stdin.isatty():
        if wish.base_url is None and known.base_url is None:
            wish = msgspec.structs.replace(wish, base_url=typer.prompt("Base URL, up to and with /v1"))
        if not wish.models and not known.models:
            wish = msgspec.structs.replace(
                wish, models=(typer.prompt("Catalog model=id there (such as qwen3.5-122b=my-qwen)"),)
            )
    return wish


def _chosen(wish: Wish, catalog: Catalog) -> tuple[Chosen, ...]:
    pairs = {}
    for pair in wish.models:
        name, mark, there = pair.partition("=")
        if not mark or not there:
            raise ConfigError(
                "--model", None, f"{pair!r} is not catalog model=id there; models are: {', '.join(catalog.models)}"
            )
        pairs[name] = there
    return onboard.deployments(
        wish.provider or "",
        catalog,
        base_url=wish.base_url,
        key_env=wish.key_env,
        models=pairs or None,
        prices=wish.prices,
        runtime=wish.runtime,
        dialect=wish.dialect,
    )


def _tried(console: Console, chosen: tuple[Chosen, ...], environment: Mapping[str, str]) -> tuple[Chosen, ...]:
    """What answered a real call. Raises ConfigError where nothing did, or a key is missing."""
    keys = {d.api_key_env: None for _, d in chosen if d.api_key_env}
    if absent := [key for key in keys if not environment.get(key)]:
        raise ConfigError(
            "init", None, f"{', '.join(absent)} is not set in the environment; set it, or say --no-probe to try nothing"
        )

    async def try_all() -> tuple[probe.Probe, ...]:
        upstream = loader.aiohttp_upstream(environment)
        try:
            return await probe.probe(upstream, chosen, ids=upstream.ids)
        finally:
            await upstream.close()

    show.say(console, f"Trying {len(chosen)} deployment(s) with a call of a few tokens each.")
    probes = asyncio.run(try_all())
    show.say(console, probe.table(probes))
    kept = probe.working(chosen, probes)
    if not kept:
        raise ConfigError("init", None, "nothing answered, so nothing was written; mend the above, or say --no-probe")
    return kept
