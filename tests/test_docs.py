"""The docs keep up with the code: every name a user can meet is in them, and what they promise exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote

import pytest
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from router import catalog, deployment, policy
from router.cli.commands import app
from router.hints import HINTS
from router.metrics import Metrics
from router.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
LINKED = [README, *sorted(ROOT.glob("[CS]*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^ *(```+|~~~+)[^\n]*\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
RESPONSE_HEADER = re.compile(r"\"(x-(?:turnout|request)-[a-z-]+)\"")


def code(text: str) -> Iterator[str]:
    """The code of a page: its fenced blocks and its spans."""
    yield from (block for _, block in FENCE.findall(text))
    yield from (span for _, span in SPAN.findall(FENCE.sub("", text)))


def words(pages: list[Path]) -> set[str]:
    """Every name that the pages show as code; `constraints.runtime` counts whole and in its parts."""
    found: set[str] = set()
    for page in pages:
        for piece in code(page.read_text()):
            for word in re.findall(r"[A-Za-z_][\w.-]*", piece):
                found.update((word, word.removesuffix("_total"), *word.split(".")))
    return found


SHOWN = words(PAGES)


def keys(model: type[BaseModel]) -> Iterator[str]:
    """The keys that a person writes under a model, and under the models inside it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in models(field.annotation):
            yield from keys(inner)


def models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def response_headers() -> set[str]:
    """The headers that the routes write, read from their source."""
    sources = (path.read_text() for path in (ROOT / "router" / "api").glob("*.py"))
    return {name for source in sources for name in RESPONSE_HEADER.findall(source)}


NAMES: dict[str, set[str]] = {
    "setting": {PREFIX + name.upper() for name in Settings.__dataclass_fields__ if name != "environment"},
    "hint": set(HINTS),
    "response header": response_headers(),
    "metric": {family.name for family in Metrics().registry.collect()},
    "catalog key": set(keys(catalog.Catalog)) | set(keys(deployment.Deployment)),
    "policy key": set(keys(policy.Policy)),
}


@pytest.mark.parametrize("kind", NAMES)
def test_every_name_is_in_the_docs(kind: str) -> None:
    """Whatever a user can set, send, read or write is explained, as code, somewhere in docs/."""
    assert NAMES[kind], f"no {kind} was found to look for"
    missing = sorted(NAMES[kind] - SHOWN)
    assert not missing, f"docs/ does not show: {', '.join(missing)}"


def anchor(heading: str) -> str:
    """The fragment under which a Markdown page offers a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def broken(page: Path) -> Iterator[str]:
    text = FENCE.sub("", page.read_text())
    for match in LINK.finditer(SPAN.sub("", text)):
        target, _, fragment = unquote(match[1] or match[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or not file.is_relative_to(ROOT):
            yield f"{page.relative_to(ROOT)}: {target} does not exist"
        elif fragment and file.suffix == ".md":
            offered = {anchor(heading) for heading in HEADING.findall(FENCE.sub("", file.read_text()))}
            if fragment not in offered:
                yield f"{page.relative_to(ROOT)}: {target} has no heading #{fragment}"


def test_links_resolve() -> None:
    """Every relative link leads to a file of this project, and to a heading that it has."""
    wrong = [line for page in LINKED for line in broken(page)]
    assert not wrong, "\n".join(wrong)


def commands(pages: list[Path], command: str) -> Iterator[tuple[str, list[str]]]:
    """Each use of a command in the pages' code: where, and the words after it up to a comment."""
    for page in pages:
        for piece in code(page.read_text()):
            for line in piece.replace("\\\n", " ").splitlines():
                if found := re.match(
                    rf"(\$ +)?([A-Z_]+=\S+ +)*(uv run +|\.venv/bin/)?{command}(?P<rest> .*)?$", line.strip()
                ):
                    yield f"{page.relative_to(ROOT)}: {line.strip()}", shlex.split(found["rest"] or "", comments=True)


def test_make_targets_exist() -> None:
    """Every `make` target that a page names is in the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    uses = list(commands(LINKED, "make"))
    wrong = [where for where, arguments in uses if not {word for word in arguments if word.isalpha()} <= targets]
    assert uses and not wrong, "\n".join(wrong)


def unknown(command: Any, arguments: list[str]) -> str | None:
    """The first word that the command does not know: a subcommand, or an option of the command it follows."""
    for word in arguments:
        if word in ("|", "&&", ";", ">", "&"):
            return None
        if isinstance(command, TyperGroup) and not word.startswith("-"):
            if word not in command.commands:
                return word
            command = command.commands[word]
        elif re.match(r"--[a-z]|-[a-z]$", word) and word.partition("=")[0] not in options(command) | {"--help", "-h"}:
            return word
    return None


def options(command: Any) -> set[str]:
    """The options of a command as one writes them."""
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")}


def leaves(name: str, command: Any) -> Iterator[tuple[str, TyperCommand]]:
    """Every command that does something, with its whole name."""
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from leaves(f"{name} {word}", inner)


def test_turnout_commands_exist() -> None:
    """Every `turnout` command and option that a page shows is one."""
    root = get_command(app)
    uses = list(commands(LINKED, "turnout"))
    wrong = [f"{where}: {word}" for where, arguments in uses if (word := unknown(root, arguments)) is not None]
    assert uses and not wrong, "\n".join(wrong)


def test_every_command_is_in_the_docs() -> None:
    """Every command and every option of it is shown somewhere in docs/."""
    shown = " ".join(piece for page in PAGES for piece in code(page.read_text()))
    missing = []
    for name, command in leaves("turnout", get_command(app)):
        missing += [name] * (name not in shown)
        for option in options(command):
            if not re.search(rf"{option.replace('--no-', '--(no-)?')}(?![\w-])", shown):
                missing.append(f"{name} {option}")
    assert not missing, f"docs/ does not show: {', '.join(sorted(missing))}"


def test_the_tests_that_a_page_names_exist() -> None:
    """Whoever reads which test proves a claim can run it."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text())
    wrong = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or f"def {name}" not in (ROOT / path).read_text()
    ]
    assert len(named) > 20 and not wrong, "\n".join(wrong)
