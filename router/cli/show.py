"""Tables for people: decisions, models, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from router import catalog as catalogs
from router.catalog import Catalog, Deployment
from router.config import Config
from router.prices import Proposal, as_diff

WIDE = 160
"""Columns of a pipe or a file, where nothing should be broken to fit a screen."""
NARROW = 80
"""Columns from which on names are kept whole."""


def terminal(*, stderr: bool = False) -> Console:
    """What a command speaks to: as wide as the screen, or WIDE where there is none."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = WIDE
    return console


def say(console: Console, text: str, style: str | None = None) -> None:
    """Prints `text` as it is: no line is broken, so that paths and addresses can be copied and searched for."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def load_catalog(path: Path) -> Catalog:
    return catalogs.load(path)


def empty_table(
    console: Console, title: str, *columns: str, right: Sequence[str] = (), prose: Sequence[str] = ()
) -> Table:
    """An empty table; only columns of `prose` are broken where the screen has room for the rest."""
    padding = (0, 2 if console.width >= WIDE else 1, 0, 0)
    look: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "header_style": "dim"}
    table = Table(title=title, box=None, pad_edge=False, padding=padding, **look)
    whole = console.width >= NARROW
    for column in columns:
        justify: Literal["right", "left"] = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=whole and column not in prose)
    return table


def checked(console: Console, config: Config) -> None:
    """What `turnout check` says of files that are right."""
    table = empty_table(console, "", "policy", "classes", "what for", prose=("what for",))
    for policy in config.policies.values():
        table.add_row(policy.name, str(len(policy.classes)), policy.description)
    console.print(table)
    say(console, f"All right: {len(config.catalog.models)} models, {len(config.policies)} policies.")
    for deployment, variable in config.missing.items():
        say(console, f"{deployment} will be left out: {variable} is not set.", style="yellow")


def decision(console: Console, d: Mapping[str, Any], *, all_plans: bool = False) -> None:
    """A decision as `/v1/route` answers it."""
    chosen, terms = d["chosen"], d["terms"]
    console.print(
        Text.assemble(
            (" then ".join(chosen["arms"]), "bold green"),
            f"  P {chosen['p_success']:.3f}  ${chosen['expected_cost_usd']:.6f}  {chosen['expected_seconds']:.1f} s",
        )
    )
    wanted = "" if terms["accuracy"] is None else f"wanted P >= {terms['accuracy']:g}, "
    say(
        console,
        f"class {d['step_class']}, policy {d['policy']}; {wanted}at most {terms['max_attempts']} attempt(s), "
        f"judged by {terms['verify']} (accepts right {terms['t']:g}, wrong {terms['f']:g})",
    )
    say(console, f"Why: {d['reason']}")
    if (drawn := d["drawn"]) is not None:
        say(console, f"Explores: the run's draw begins with {drawn['arm'] or 'what is best'}, P {drawn['p']:g}")
    _arms(console, d["arms"])
    _plans(console, d, all_plans)
    if d["gates"]:
        table = empty_table(console, "Gates that closed", "arm", "deployment", "gate", "reason", prose=("reason",))
        for gate in d["gates"]:
            table.add_row(gate["arm"], gate["deployment"] or "", gate["kind"], gate["reason"])
        console.print(table)


def _arms(console: Console, arms: Sequence[Mapping[str, Any]]) -> None:
    right = ("P", "cost USD", "secs", "q50-q90", "tok/s")
    table = empty_table(console, "Arms", "arm", "deployment", *right, "evidence", right=right, prose=("evidence",))
    for a in arms:
        tokens = a["output_tokens"]
        table.add_row(
            a["arm"],
            a["deployment"],
            f"{a['p_success']:.3f}",
            f"{a['cost_usd']:.6f}",
            f"{a['seconds']:.1f}",
            f"{tokens['q50']}-{tokens['q90']}",
            f"{a['tokens_per_s']:.0f}",
            a["evidence"],
        )
    console.print(table)


def _plans(console: Console, d: Mapping[str, Any], all_plans: bool) -> None:
    why = {tuple(p["arms"]): p["why"] for p in d["plans"]}
    plans = d["plans"] if all_plans else d["frontier"]
    which = f"The best {len(plans)} plans" if all_plans else "Plans on the cost-success frontier"
    right = ("P", "cost USD", "per success", "secs")
    table = empty_table(
        console, f"{which} (of {d['considered']})", "", "plan", *right, "why", right=right, prose=("why",)
    )
    then = " then " if console.width >= WIDE else "\nthen "
    for p in plans:
        mine = p["arms"] == d["chosen"]["arms"]
        per_success = p["expected_cost_usd"] / p["p_success"] if p["p_success"] else float("inf")
        table.add_row(
            ">" if mine else "",
            then.join(p["arms"]),
            f"{p['p_success']:.3f}",
            f"{p['expected_cost_usd']:.6f}",
            f"{per_success:.6f}",
            f"{p['expected_seconds']:.1f}",
            why.get(tuple(p["arms"]), ""),
            style="green" if mine else None,
        )
    console.print(table)


def models(console: Console, path: Path, environment: Mapping[str, str]) -> None:
    """Every model of the catalog and every deployment, and whether its key is there."""
    catalog = load_catalog(path)
    say(console, str(path), style="bold")
    facts = empty_table(console, "", "model", "takes", "context", "licence", right=("context",), prose=("licence",))
    right = ("in $/M", "out $/M", "context")
    served = empty_table(console, "", "model", "deployment", *right, "key", right=right, prose=("key",))
    for m in catalog.models.values():
        license = m.license.spdx or m.license.name
        facts.add_row(m.name, "+".join(sorted(m.modalities, reverse=True)), f"{m.context.native:,}", license)
        for d in m.deployments:
            usd, window = d.usd, f"{m.window(d):,}"
            served.add_row(m.name, d.name, f"{usd.input:.3g}", f"{usd.output:.3g}", window, _key(d, environment))
    for e in catalog.embeddings.values():
        license, window = (e.license.spdx or e.license.name) if e.license else "", f"{e.context:,}" if e.context else ""
        facts.add_row(e.name, "text (embeddings)", window, license)
        for d in e.deployments:
            served.add_row(e.name, d.name, f"{d.usd.input:.3g}", "", window, _key(d, environment))
    console.print(facts, served)


def _key(deployment: Deployment, environment: Mapping[str, str]) -> str:
    variable = deployment.api_key_env
    if variable is None:
        return "none needed"
    return f"{variable} {'set' if environment.get(variable) else 'MISSING'}"


def prices(console: Console, path: Path, proposals: Sequence[Proposal]) -> None:
    """The proposed price changes as a diff that `patch` takes; the server only ever reads the file."""
    for p in proposals:
        say(console, f"{p.model}:{p.deployment}  {p.note}")
    diff = as_diff(path.read_text("utf-8"), proposals, str(path))
    say(console, diff.rstrip("\n") or "Nothing to change.")


def simulated(console: Console, urls: Mapping[str, str], speed: float) -> None:
    """Where the simulated models listen."""
    for name, url in urls.items():
        say(console, f"{name}  {url}")
    say(console, f"Simulated: the clock runs {speed:g} times as fast. Ctrl-C ends.")
