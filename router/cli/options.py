"""Options that several commands share, and the settings that they come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from router.settings import Settings, from_environment

Catalog = Annotated[Path | None, typer.Option("--catalog", help="The models file.", show_default=False)]
Policies = Annotated[Path | None, typer.Option("--policies", help="The folder of policies.", show_default=False)]
State = Annotated[
    Path | None, typer.Option("--state", help="The state folder, as the server has it.", show_default=False)
]
Since = Annotated[
    str | None,
    typer.Option(help="Only from then on: 2026-05-31T14:00, or back from now: 90m, 24h, 7d.", show_default=False),
]
Until = Annotated[str | None, typer.Option(help="Only before then.", show_default=False)]


def settings(environment: Mapping[str, str], **given: Any) -> Settings:
    """The environment's settings, with what the command line says on top."""
    return dataclasses.replace(from_environment(environment), **{k: v for k, v in given.items() if v is not None})
