"""Commands and their options; each does its work elsewhere."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from router import __version__, config, loader, prices
from router.cli import (
    compare,
    evaluate,
    explain,
    journal,
    keys,
    options,
    promote,
    replay,
    report,
    serving,
    show,
    starting,
    tune,
)
from router.cli.screen import Screen
from router.errors import ConfigError, Infeasible, TurnoutError
from router.onboard import PROVIDERS, Dialect
from router.settings import Settings, is_loopback
from router.simulate import faults
from router.simulate import server as simulator

OUT, ERR = show.terminal(), show.terminal(stderr=True)
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
"""One event, one line: what reads a log cuts nothing."""
LogLevel = Literal["debug", "info", "warning", "error"]
PolicyName = Annotated[str | None, typer.Option("--policy", help="The policy that 'auto' means.", show_default=False)]

app = typer.Typer(
    name="turnout",
    help="Sends each agent step to the model that finishes it at the lowest cost per success.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(help="What the catalog holds.", no_args_is_help=True)
app.add_typer(models, name="models")
app.add_typer(journal.app, name="journal")
app.add_typer(keys.app, name="keys")
for elsewhere in (explain, replay, compare, evaluate, tune, promote, report):
    app.command(elsewhere.__name__.rpartition(".")[2])(elsewhere.command)
app.command()(promote.rollback)
app.command()(promote.history)


def main() -> None:
    """Runs the command line; a wrong file, setting or request ends it with one line and status 2."""
    try:
        app()
    except (ConfigError, TurnoutError) as error:
        show.say(ERR, f"turnout: {_lines(error)}", style="red")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _lines(error: Exception) -> str:
    """What is wrong: one line, or one for each gate that is closed."""
    if not isinstance(error, Infeasible):
        return str(error)
    return error.message.replace(". ", ":\n  ", 1).replace(" | ", "\n  ")


def settings(**given: Any) -> Settings:
    """The environment's settings, with what the command line says on top."""
    return options.settings(os.environ, **given)


def _version(asked: bool) -> None:
    if asked:
        show.say(OUT, __version__)
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = os.environ  # for commands that live elsewhere: the environment is read here alone


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind.", show_default="8080", min=1, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve.", show_default="1", min=1, max=256)] = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
    policy: PolicyName = None,
    state: options.State = None,
    store: Annotated[str | None, typer.Option(help="valkey://embedded or a URL.", show_default="memory://")] = None,
    learn: Annotated[
        bool | None, typer.Option(help="Let outcomes move what is believed.", show_default="learn")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least level that is logged.")] = "info",
) -> None:
    """Serve the proxy."""
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
    here = settings(
        host=host, port=port, workers=workers, catalog=catalog, policies=policies, policy=policy, state_dir=state,
        store=store, learn=None if learn is None else "on" if learn else "off",
    )  # fmt: skip
    if here.state_dir is None:
        here = dataclasses.replace(here, state_dir=here.user_state_dir)
    if here.state_dir is None and here.journal == "auto":
        logging.warning("no journal is kept: there is no home folder for it; set TURNOUT_STATE_DIR")
    here.check_exposure("--host" if host is not None else "TURNOUT_HOST")
    if here.workers > 1:
        serving.become_many(here, log_level)
    serving.serve(here, ERR)


@app.command()
def check(catalog: options.Catalog = None, policies: options.Policies = None) -> None:
    """Check the catalog and every policy; say the file, line and reason of what is wrong."""
    found = config.load(settings(catalog=catalog, policies=policies))
    show.checked(OUT, found)


@models.command("list")
def list_models(catalog: options.Catalog = None) -> None:
    """List models, deployments, prices, and which keys are missing."""
    here = settings(catalog=catalog)
    show.models(OUT, here.catalog_path, here.environment)


@models.command("prices")
def model_prices(catalog: options.Catalog = None) -> None:
    """Compare the prices in the catalog with litellm's cost map, and print the difference as a diff."""
    path = settings(catalog=catalog).catalog_path
    show.prices(OUT, path, prices.proposals(show.load_catalog(path), loader.cost_map()))


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port of the first model; the others follow.", min=1, max=65000)] = 8081,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    speed: Annotated[float, typer.Option(help="Simulated seconds in one real second.", min=0.01, max=100_000)] = 50.0,
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 7,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault and its share, such as 429:0.05.", show_default=False)
    ] = None,
    catalog: options.Catalog = None,
) -> None:
    """Serve simulated models that answer, fail, and take their time as the catalog says."""
    if not is_loopback(host):
        raise ConfigError("--host", None, "simulated models answer anybody: bind them to this machine alone")
    options = simulator.Options(seed=seed, speed=speed, faults=faults.parse(fault or []))
    simulator.run(
        show.load_catalog(settings(catalog=catalog).catalog_path),
        host=host,
        port=port,
        options=options,
        announce=lambda urls: show.simulated(OUT, urls, speed),
    )


@app.command()
def init(
    provider: Annotated[str | None, typer.Option(help=f"One of {', '.join(PROVIDERS)}.", show_default=False)] = None,
    base_url: Annotated[str | None, typer.Option(help="The endpoint, up to and with /v1.", show_default=False)] = None,
    key_env: Annotated[str | None, typer.Option(help="Variable that holds its key.", show_default=False)] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Catalog model=id there, such as qwen3.5-122b=qwen; may be repeated.", show_default=False),
    ] = None,
    prices: Annotated[
        tuple[float, float] | None, typer.Option(help="USD per million tokens in, out: 0.1 0.4.", show_default=False)
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What runs it, such as cuda, nim or llama-cpp.", show_default=False)
    ] = None,
    dialect: Annotated[
        Dialect | None, typer.Option(help="How it is told to think; the provider's where not said.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("policies"),
    probe: Annotated[bool, typer.Option(help="Try every deployment live.")] = True,
    force: Annotated[bool, typer.Option(help="Overwrite models.yaml.")] = False,
    add: Annotated[bool, typer.Option(help="Keep the deployments that models.yaml has.")] = False,
) -> None:
    """Write a catalog that works: asks what flags do not say, tries the endpoint live, copies the policies."""
    starting.init(
        OUT,
        starting.Wish(
            provider, base_url, key_env, tuple(model or ()), prices, runtime, dialect, output, probe, force, add
        ),
        os.environ,
    )


@app.command()
def demo(
    ends: Annotated[bool, typer.Option("--exit", help="End after the table instead of serving on.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of every draw; the same seed prints the same table.")] = 7,
    steps: Annotated[int, typer.Option(help="Steps in each lane.", min=12, max=100_000)] = 360,
    port: Annotated[int, typer.Option(help="Port that Turnout serves on.", min=1, max=65535)] = 8080,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
) -> None:
    """Run an agent workload through simulated models: each alone, a static cascade, and Turnout."""
    here = settings(catalog=catalog, policies=policies)
    loader.demo().run(
        catalog=here.catalog_path,
        policies=here.policies_dir,
        screen=Screen(OUT, ERR),
        environment=os.environ,
        exit=ends,
        seed=seed,
        steps=steps,
        port=port,
    )
