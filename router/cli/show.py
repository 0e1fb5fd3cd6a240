"""Tables for people: decisions, models, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from router import catalog as catalogs
from router.catalog import Catalog, Deployment, Model
from router.config import Config
from router.prices import Proposal, as_diff


def load_catalog(path: Path) -> Catalog:
    return catalogs.load(path)


def _table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def checked(console: Console, config: Config) -> None:
    """What `turnout check` says of files that are right."""
    table = _table("", "policy", "classes", "what for")
    for policy in config.policies.values():
        table.add_row(policy.name, str(len(policy.classes)), policy.description)
    console.print(table)
    console.print(f"All right: {len(config.catalog.models)} models, {len(config.policies)} policies.")
    for deployment, variable in config.missing.items():
        console.print(f"{deployment} will be left out: {variable} is not set.", style="yellow")


def decision(console: Console, d: Mapping[str, Any], *, all_plans: bool = False) -> None:
    """A decision as `/v1/route` answers it."""
    chosen, terms = d["chosen"], d["terms"]
    console.print(
        Text.assemble(
            (" then ".join(chosen["arms"]), "bold green"),
            f"  P {chosen['p_success']:.3f}  ${chosen['expected_cost_usd']:.6f}  {chosen['expected_seconds']:.1f} s",
        )
    )
    wanted = "lowest cost per success" if terms["accuracy"] is None else f"P >= {terms['accuracy']:g}"
    console.print(
        f"class {d['step_class']}, policy {d['policy']}; wanted {wanted}, at most {terms['max_attempts']} attempt(s), "
        f"judged by {terms['verify']} (accepts right {terms['t']:g}, wrong {terms['f']:g})",
        highlight=False,
    )
    console.print(f"Why: {d['reason']}", highlight=False)
    _arms(console, d["arms"])
    _plans(console, d, all_plans)
    if d["gates"]:
        table = _table("Gates that closed", "arm", "deployment", "gate", "reason")
        for gate in d["gates"]:
            table.add_row(gate["arm"], gate["deployment"] or "", gate["kind"], gate["reason"])
        console.print(table)


def _arms(console: Console, arms: Sequence[Mapping[str, Any]]) -> None:
    right = ("P", "cost USD", "time s", "output q50", "q90", "tok/s")
    table = _table("Arms", "arm", "deployment", "P", "evidence", "cost USD", "time s", "output q50", "q90", "tok/s", right=right)
    for a in arms:
        tokens = a["output_tokens"]
        table.add_row(
            a["arm"],
            a["deployment"],
            f"{a['p_success']:.3f}",
            a["evidence"],
            f"{a['cost_usd']:.6f}",
            f"{a['seconds']:.1f}",
            str(tokens["q50"]),
            str(tokens["q90"]),
            f"{a['tokens_per_s']:.0f}",
        )
    console.print(table)


def _plans(console: Console, d: Mapping[str, Any], all_plans: bool) -> None:
    why = {tuple(p["arms"]): p["why"] for p in d["plans"]}
    plans = d["plans"] if all_plans else d["frontier"]
    title = f"The best {len(plans)} plans of {d['considered']}" if all_plans else f"Plans on the cost-success frontier (of {d['considered']})"
    table = _table(title, "", "plan", "P", "cost USD", "per success", "time s", "why", right=("P", "cost USD", "per success", "time s"))
    for p in plans:
        mine = p["arms"] == d["chosen"]["arms"]
        per_success = p["expected_cost_usd"] / p["p_success"] if p["p_success"] else float("inf")
        table.add_row(
            ">" if mine else "",
            " then ".join(p["arms"]),
            f"{p['p_success']:.3f}",
            f"{p['expected_cost_usd']:.6f}",
            f"{per_success:.6f}",
            f"{p['expected_seconds']:.1f}",
            why.get(tuple(p["arms"]), ""),
            style="green" if mine else None,
        )
    console.print(table)


def models(console: Console, path: Path, environment: Mapping[str, str]) -> None:
    """Every deployment of the catalog, and whether its key is there."""
    table = _table(
        str(path), "model", "deployment", "in $/M", "out $/M", "context", "takes", "licence", "key", right=("in $/M", "out $/M", "context")
    )
    for model in load_catalog(path).models.values():
        for deployment in model.deployments:
            table.add_row(*_model_row(model, deployment, environment))
    console.print(table)


def _model_row(model: Model, d: Deployment, environment: Mapping[str, str]) -> tuple[str, ...]:
    key = "none needed" if d.api_key_env is None else f"{d.api_key_env} {'set' if environment.get(d.api_key_env) else 'MISSING'}"
    return (
        model.name,
        d.name,
        f"{d.usd.input:.3g}",
        f"{d.usd.output:.3g}",
        f"{model.window(d):,}",
        "+".join(sorted(model.modalities, reverse=True)),
        model.license.spdx or model.license.name,
        key,
    )


def prices(console: Console, path: Path, proposals: Sequence[Proposal]) -> None:
    """The proposed price changes as a diff that `patch` takes; the server only ever reads the file."""
    for p in proposals:
        console.print(f"{p.model}:{p.deployment}  {p.note}", highlight=False)
    diff = as_diff(path.read_text("utf-8"), proposals, str(path))
    if diff:
        console.print(Syntax(diff, "diff", background_color="default"))
    else:
        console.print("Nothing to change.")


def simulated(console: Console, urls: Mapping[str, str], speed: float) -> None:
    """Where the simulated models listen."""
    for name, url in urls.items():
        console.print(f"{name}  {url}", highlight=False)
    console.print(f"Simulated: the clock runs {speed:g} times as fast. Ctrl-C ends.", highlight=False)
