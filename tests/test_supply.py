"""What is built is what was locked, reviewed and listed, and runs with as few rights as it can."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from router import policy
from router.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {r.name: r for r in map(Requirement, PROJECT["project"]["dependencies"])}
LOCKED = {p["name"]: Version(p["version"]) for p in LOCK["package"] if "version" in p}
STOLE = ("1.82.7", "1.82.8")
"""Releases of litellm that sent credentials away."""


def test_every_file_is_locked_by_its_hash() -> None:
    """From a registry, with a SHA-256; no archive of a branch, no folder but this one."""
    for package in LOCK["package"]:
        if package["name"] == "turnout":
            continue
        assert set(package["source"]) == {"registry"}, package["name"]
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files and all(re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]) for file in files), package["name"]


def test_litellm_is_pinned_to_a_release() -> None:
    """Whoever installs the wheel, without the lock, gets that one too, and never one that is known to be bad."""
    (pin,) = ASKED["litellm"].specifier
    assert pin.operator == "==" and "*" not in pin.version and Version(pin.version) == LOCKED["litellm"]
    assert not any(ASKED["litellm"].specifier.contains(bad) for bad in STOLE)


def test_starlette_is_new_enough() -> None:
    """Releases before it have known holes."""
    assert not ASKED["starlette"].specifier.contains("1.0.0") and LOCKED["starlette"] >= Version("1.0.1")


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the PATH")
def test_the_bill_of_materials_lists_what_is_locked(tmp_path: Path) -> None:
    """`make sbom` writes CycloneDX with each package that can be installed, its version and its files' hashes."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "uv.lock", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(["make", "sbom"], cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    bill = json.loads((tmp_path / "dist" / "turnout.cdx.json").read_text())
    listed = {part["name"]: part for part in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX" and listed["litellm"]["version"] == str(LOCKED["litellm"])
    assert set(ASKED) <= set(listed) and "pytest" not in listed
    assert "sha256" in json.dumps(listed["litellm"]).lower().replace("-", "")


def test_the_image_runs_as_nobody() -> None:
    """Its last user is a number that is not root's, nothing is added from elsewhere, and it need not write."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1].isdigit() and int(users[-1]) > 0
    assert not [line for line in lines if line.startswith("ADD ")]
    assert any("--frozen" in line for line in lines) and any("PYTHONDONTWRITEBYTECODE=1" in line for line in lines)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    """A policy or catalog that names a Python object is refused, not obeyed."""
    path = tmp_path / "p.yaml"
    for tag in ("!!python/object/apply:os.system", "!!python/name:os.system", "!!python/module:os", "!own"):
        path.write_text(f"version: 1\nname: p\ndescription: {tag} ['touch {tmp_path}/made']\n")
        with pytest.raises(ConfigError):
            policy.load(path)
    assert not (tmp_path / "made").exists()
