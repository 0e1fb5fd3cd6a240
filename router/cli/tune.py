"""`turnout tune`: a policy's numbers as its own outcomes have them, as a file beside those that a person wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from router import config, promotions, yaml_file
from router.cli import evaluate, options, show
from router.errors import ConfigError
from router.learning.tune import Tuned, changed, tuned
from router.policy import Policy

OUT = show.terminal()


def command(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Whose numbers.", show_default="the server's")
    ] = None,
    where: evaluate.Journal = None,
    state: options.State = None,
    since: options.Since = None,
    until: options.Until = None,
    catalog: options.Catalog = None,
    policies: options.Policies = None,
) -> None:
    """Write a policy with what outcomes say of its numbers; the one that serves stays as it is."""
    here = options.settings(context.obj, catalog=catalog, policies=policies)
    current, wanted = config.load(here, without_keys=True), name or here.policy
    if wanted not in current.policies:
        raise ConfigError("POLICY", None, f"{wanted!r} is none of {', '.join(current.policies)}")
    policy = current.policies[wanted]
    with evaluate.records(context, where, state, since, until) as steps:
        made = tuned(steps, policy)
    _shown(made, policy)
    if not made.changes:
        show.say(OUT, f"Nothing to change: no number of {policy.name} is outside its interval. Nothing was written.")
        return
    path = written(here.policies_dir / promotions.FOLDER, policy, made)
    show.say(OUT, f"Written: {path}. It does not serve; judge it first:", style="green")
    show.say(OUT, f"turnout evaluate {path} --against {policy.name}")


def written(folder: Path, policy: Policy, made: Tuned) -> Path:
    """A new file, whole or not at all; none that is there is touched. Raises ConfigError."""
    day = time.strftime("%Y-%m-%d", time.localtime(made.last))
    try:
        folder.mkdir(exist_ok=True)
        for number in range(1, 1_000):
            stem = f"{policy.name}-{day}" + (f"-{number}" if number > 1 else "")
            text = _text(policy, made, stem, day)
            yaml_file.parse(text.encode(), stem, Policy)
            path, part = folder / f"{stem}.yaml", folder / f".{stem}.{os.getpid()}.part"
            part.write_text(text)
            try:
                os.link(part, path)
            except FileExistsError:
                continue
            finally:
                part.unlink()
            return path
    except OSError as error:
        raise ConfigError(str(folder), None, f"cannot be written: {error.strerror or error}") from None
    raise ConfigError(str(folder), None, f"is full of files of {day}")


def _text(policy: Policy, made: Tuned, stem: str, day: str) -> str:
    lines = [
        f"{policy.name}, with numbers learned from {made.steps:,} of its steps until {day}.",
        "",
        *(number.words for number in made.changes),
    ]
    comment = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return comment + yaml_file.dump(changed(policy, made, stem, day))


def _shown(made: Tuned, policy: Policy) -> None:
    show.say(OUT, f"{made.steps:,} steps of {policy.name}; {made.others:,} of other policies passed over.")
    right = ("is", "learned", "95%", "answers")
    table = show.empty_table(OUT, "", "class", "number", *right, "", right=right)
    for n in made.numbers:
        table.add_row(
            n.step_class,
            n.key,
            f"{n.before:g}",
            f"{n.after:g}",
            f"{n.low:g} to {n.high:g}",
            f"{n.count:,}",
            "changes" if n.changes else "stays",
            style="bold" if n.changes else None,
        )
    if made.numbers:
        OUT.print(table)
    counts = ("judged", "right %", "95%")
    table = show.empty_table(OUT, "First attempts", "class", "model", *counts, right=counts)
    for s in made.seen:
        interval = f"{s.low * 100:.1f} to {s.high * 100:.1f}"
        table.add_row(s.step_class, s.model, f"{s.judged:,}", f"{s.right / s.judged * 100:.1f}", interval)
    if made.seen:
        OUT.print(table)
