"""`turnout promote`, `turnout rollback`, `turnout history`: which version of a policy serves, and who said so."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from router import promotions, yaml_file
from router.cli import evaluate, options, show
from router.errors import ConfigError
from router.learning.evaluate import evaluate as evaluated
from router.promotions import Entry
from router.settings import Settings

OUT = show.terminal()
Who = Annotated[str | None, typer.Option(help="Who says so.", show_default="you")]


def command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The candidate: a file of a policy.")],
    name: Annotated[
        str | None, typer.Option("--policy", help="The policy in whose place it serves.", show_default="the server's")
    ] = None,
    why: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    who: Who = None,
    override: Annotated[
        str | None, typer.Option(help="Promote whatever the evaluation says, for this reason.", show_default=False)
    ] = None,
    where: evaluate.Journal = None,
    state: options.State = None,
    since: options.Since = None,
    until: options.Until = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
) -> None:
    """Let a policy serve in another's place, if the journal shows that it is better."""
    here = options.settings(context.obj, catalog=catalog, policies=policies)
    wanted = name or here.policy
    raw = yaml_file.read_bytes(file)
    pair, models = evaluate.chosen(here, str(file), wanted)
    with evaluate.records(context, where, state, since, until) as steps:
        made = evaluated(steps, pair, models)
    evaluate.shown(made)
    if not made.passes and not override:
        show.say(OUT, f"Not promoted; {wanted} serves on. --override REASON promotes it all the same.", style="yellow")
        raise typer.Exit(evaluate.NOT_SHOWN)
    entry = Entry(
        at=time.time(),
        action="promote",
        policy=wanted,
        version=promotions.digest(raw),
        base=_base(here, wanted),
        source=file.name,
        who=who or _user(),
        why=f"{why} (override: {override})".strip() if override else why,
        gate=made.verdict,
    )
    promotions.promote(here.policies_dir, entry, raw)
    show.say(OUT, f"{file.name} ({entry.version}) serves as {wanted}. {_soon(here)}", style="green")


def rollback(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Which one.", show_default="the server's")
    ] = None,
    why: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    who: Who = None,
    policies: options.Policies = None,
) -> None:
    """Take back the last promotion of a policy: what served before serves again."""
    here = options.settings(context.obj, policies=policies)
    wanted = name or here.policy
    stack = promotions.stacks(promotions.history(here.policies_dir)).get(wanted, [])
    if not stack:
        raise ConfigError("POLICY", None, f"nothing is promoted in the place of {wanted!r}")
    taken = stack[-1]
    promotions.add(
        here.policies_dir, replace(taken, at=time.time(), action="rollback", who=who or _user(), why=why, gate="")
    )
    before = (
        f"{stack[-2].source} ({stack[-2].version})"
        if len(stack) > 1 and stack[-2].base == _base(here, wanted)
        else f"the file {wanted}.yaml"
    )
    show.say(OUT, f"{taken.source} ({taken.version}) is taken back; {before} serves as {wanted}. {_soon(here)}")


def history(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="POLICY", help="Only of this one.", show_default="all")] = None,
    policies: options.Policies = None,
) -> None:
    """Show who promoted or took back what, when and why."""
    here = options.settings(context.obj, policies=policies)
    entries = [e for e in promotions.history(here.policies_dir) if name in (None, e.policy)]
    if not entries:
        show.say(OUT, "Nothing was ever promoted.", style="dim")
        return
    table = show.empty_table(
        OUT, "", "when", "policy", "what", "file", "version", "who", "why", "gate", prose=("why", "gate")
    )
    for e in entries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.at))
        table.add_row(when, e.policy, e.action, e.source, e.version, e.who, e.why, e.gate)
    OUT.print(table)
    for policy_name, entry in promotions.serving(here.policies_dir).items():
        if name in (None, policy_name):
            edited = entry.base != _base(here, policy_name)
            says = "its own file, which was edited since" if edited else f"{entry.source} ({entry.version})"
            show.say(OUT, f"{policy_name}: {says} serves.")


def _base(here: Settings, name: str) -> str:
    """Version of the file that a person wrote. Raises ConfigError."""
    return promotions.digest(yaml_file.read_bytes(here.policies_dir / f"{name}.yaml"))


def _soon(here: Settings) -> str:
    return f"Servers that read {here.policies_dir} take it within seconds."


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
