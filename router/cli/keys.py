"""`turnout keys`: who may call the server, and how much they may take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from router.cli import show
from router.errors import ConfigError
from router.keys import SCOPES, Entry, made
from router.keys import file as files
from router.settings import PREFIX, from_environment

OUT, ERR = show.terminal(), show.terminal(stderr=True)
KeysFile = Annotated[
    Path | None, typer.Option("--keys-file", help="The file of keys, as the server has it.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Several = list[str] | None
Scopes = Annotated[
    Several, typer.Option(help=f"What it may do: {', '.join(SCOPES)}; may be repeated.", show_default="call, outcomes")
]
Policies = Annotated[Several, typer.Option(help="A policy that it may name; may be repeated.", show_default="any")]
Models = Annotated[Several, typer.Option(help="A model or arm that it may use; may be repeated.", show_default="any")]
License = Annotated[Several, typer.Option(help="As the hint 'license'; may be repeated.", show_default="any")]
Days = Annotated[int | None, typer.Option(help="After which it expires.", show_default="never", min=1, max=36_500)]

app = typer.Typer(help="Who may call the server, for what, and how much.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What you call the key.", show_default=False)],
    scope: Scopes = None,
    per_minute: Annotated[int | None, typer.Option(help="Requests a minute.", show_default=False)] = None,
    concurrency: Annotated[int | None, typer.Option(help="Steps under way at once.", show_default=False)] = None,
    usd_per_day: Annotated[float | None, typer.Option(help="USD a day (UTC).", show_default=False)] = None,
    usd_per_month: Annotated[float | None, typer.Option(help="USD a month (UTC).", show_default=False)] = None,
    max_cost: Annotated[float | None, typer.Option(help="USD for one step.", show_default=False)] = None,
    policy: Policies = None,
    model: Models = None,
    license: License = None,
    days: Days = None,
    trusted: Annotated[bool, typer.Option(help="Let its verdicts count without bound.")] = False,
    keys_file: KeysFile = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once; only its hash is kept."""
    now = datetime.now(UTC).replace(microsecond=0)
    key, entry = made(
        name, now, scopes=scope, per_minute=per_minute, concurrency=concurrency, usd_per_day=usd_per_day,
        usd_per_month=usd_per_month, max_cost=max_cost, policies=policy, models=model, license=license,
        expires=None if days is None else now + timedelta(days=days), trusted=trusted,
    )  # fmt: skip
    path = _path(context, keys_file)
    files.change(path, lambda entries: _with(entries, entry))
    if as_json:
        typer.echo(json.dumps({"key": key, **_shown(entry)}))
        return
    typer.echo(key)
    show.say(ERR, f"Kept as a hash in {path}. Store the key now: it is not shown again.")


@app.command("list")
def list_keys(context: typer.Context, keys_file: KeysFile = None, as_json: Json = False) -> None:
    """List the keys: ids, names, rights and limits, never the keys themselves."""
    path = _path(context, keys_file)
    entries = files.read(path) if path.exists() else ()
    if as_json:
        typer.echo(json.dumps([_shown(entry) for entry in entries]))
        return
    for entry in entries:
        said = _shown(entry)
        head = f"{said.pop('id')}  {said.pop('name')}"
        show.say(OUT, "  ".join((head, *(f"{key}={_plain(value)}" for key, value in said.items()))))
    if not entries:
        show.say(ERR, f"There are no keys in {path}. Make one: turnout keys create NAME")


@app.command()
def revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, or its id.", show_default=False)],
    keys_file: KeysFile = None,
) -> None:
    """Take a key back. A running server heeds it within its reload interval."""
    path = _path(context, keys_file)
    if not path.exists():
        raise ConfigError(str(path), None, "does not exist, so there is no key to revoke")
    files.change(path, lambda entries: _without(entries, name, path))
    show.say(OUT, f"Revoked {name}.")


def _path(context: typer.Context, given: Path | None) -> Path:
    """The file as the option says, the settings, or else in the user's own state folder."""
    environment: Mapping[str, str] = context.obj
    settings = from_environment(environment)
    found = given or settings.keys_path
    if found is None and settings.user_state_dir is not None:
        found = settings.user_state_dir / "keys.json"
    if found is None:
        raise ConfigError(f"{PREFIX}KEYS_FILE", None, "is not set, and there is no home folder; say --keys-file")
    return found


def _with(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if any(e.name == entry.name for e in entries):
        raise ConfigError("keys create", None, f"there is a key called {entry.name} already; revoke it first")
    return (*entries, entry)


def _without(entries: tuple[Entry, ...], name: str, path: Path) -> tuple[Entry, ...]:
    kept = tuple(e for e in entries if name not in (e.name, e.key_id))
    if len(kept) == len(entries):
        raise ConfigError(str(path), None, f"has no key {name}; it has: {', '.join(e.name for e in entries) or 'none'}")
    return kept


def _shown(entry: Entry) -> dict[str, Any]:
    """All of a key but its hash."""
    said: dict[str, Any] = msgspec.to_builtins(entry)
    said["scopes"] = list(entry.scopes)
    del said["sha256"]
    return {"id": entry.key_id, **said}


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
