"""What a person installs is whole: code, catalog and policies, and a command that works without a checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import router

ROOT = Path(__file__).resolve().parent.parent
BUILD = "import sys; from hatchling import build; print(getattr(build, 'build_' + sys.argv[1])(sys.argv[2]))"


def built(kind: str, source: Path, folder: Path) -> Path:
    """Builds a `wheel` or `sdist` of the source into the folder, fetching nothing."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(folder)], cwd=source, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as an installer lays it out, away from the checkout."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """Runs Python on the installed files from a folder that has none of the project's."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package(wheel: Path) -> None:
    """Every file of the package and every shipped file, byte for byte, and no tests."""
    sources = {
        **{str(p.relative_to(ROOT)): p.read_bytes() for p in (ROOT / "router").rglob("*.py")},
        **{str(p.relative_to(ROOT)): p.read_bytes() for p in (ROOT / "router/ui").iterdir() if p.is_file()},
        **{
            f"router/shipped/{p.relative_to(ROOT / 'policies')}": p.read_bytes()
            for p in (ROOT / "policies").rglob("*.yaml")
        },
        "router/py.typed": b"",
    }
    held = {name: text for name, text in contents(wheel).items() if ".dist-info/" not in name}
    assert held == sources
    assert {"models", "default", "cost-first", "accuracy-first", "latency-first", "apache-only"} <= {
        Path(name).stem for name in held if name.startswith("router/shipped/")
    }


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Name, version, licence text and the command."""
    files = contents(wheel)
    info = f"turnout-{router.__version__}.dist-info"
    said = Parser().parsestr(files[f"{info}/METADATA"].decode())
    assert (said["Name"], said["Version"], said["License-Expression"]) == ("turnout", router.__version__, "Apache-2.0")
    assert files[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert "turnout = router.cli:main" in files[f"{info}/entry_points.txt"].decode()


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Who builds from the source archive, with no checkout, gets the same files."""
    archive = built("sdist", ROOT, tmp_path)
    with tarfile.open(archive) as tar:
        for member in tar:  # not extractall: its safe form is missing from Debian's Python 3.11
            path = tmp_path / "source" / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tar.extractfile(member).read())
    (source,) = (tmp_path / "source").iterdir()
    assert contents(built("wheel", source, tmp_path)) == contents(wheel)


def test_an_installed_package_finds_its_files(installed: Path, tmp_path: Path) -> None:
    """The shipped catalog and policies lie inside the package, and that is where it looks."""
    found = run(installed, tmp_path, "-c", "from router import settings; print(settings.shipped_dir())")
    assert Path(found.strip()) == installed / "router" / "shipped"


def test_an_installed_command_works(installed: Path, tmp_path: Path) -> None:
    """`turnout check` reads and accepts the shipped files from a folder with nothing in it."""
    assert "default" in run(installed, tmp_path, "-m", "router", "check")


def requirements(project: dict[str, Any]) -> set[str]:
    """The names that pyproject.toml asks for, extras and groups included."""
    asked = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    for group in project["dependency-groups"].values():
        asked += [line for line in group if isinstance(line, str)]
    return {"".join(c if c.isalnum() or c in "-_." else " " for c in line).split()[0] for line in asked}


def test_the_lock_is_of_this_project() -> None:
    """Every requirement is locked, and every locked file has its hash: what is installed is what was tested."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    (own,) = (package for package in lock["package"] if package["name"] == "turnout")
    groups = own["metadata"]["requires-dev"].values()
    locked = {line["name"] for lines in (own["metadata"]["requires-dist"], *groups) for line in lines}
    assert requirements(tomllib.loads((ROOT / "pyproject.toml").read_text())) == locked
    files = [file for p in lock["package"] for file in (*p.get("wheels", ()), *([p["sdist"]] if "sdist" in p else []))]
    assert files and all(file["hash"].startswith("sha256:") for file in files)
