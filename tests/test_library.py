"""Files that change while the server runs: good ones are taken as one, bad ones keep the old."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from router.beliefs import Beliefs
from router.config import Config
from router.errors import ConfigError
from router.library import Library
from router.settings import Settings, shipped_dir

GOOD = "version: 1\nname: {name}\ndescription: {text}\nclasses:\n  - name: rest\n"


class World:
    """A folder of policies, and a library over it that notes what it tells."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        shutil.copy(shipped_dir() / "models.yaml", folder)
        self.write("default", "first")
        self.loaded: list[Config] = []
        self.swapped = asyncio.Event()
        self.refused = 0
        self.library = Library(Settings(policies=folder, **changes), loaded=self._load, refused=self._refuse)
        self.ticks = 0

    def _load(self, config: Config) -> None:
        self.loaded.append(config)
        self.swapped.set()

    def _refuse(self) -> None:
        self.refused += 1

    def write(self, name: str, text: str, form: str = GOOD) -> None:
        """Writes a policy; each write has its own time, however fast the test."""
        path = self.folder / f"{name}.yaml"
        path.write_text(form.format(name=name, text=text))
        self.ticks = getattr(self, "ticks", 0) + 1
        os.utime(path, ns=(self.ticks * 10**9, self.ticks * 10**9))

    @property
    def serving(self) -> str:
        return self.library.get().policies["default"].description


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_wrong_files_at_the_start_are_not_served(tmp_path: Path) -> None:
    """There is no old state to keep: the caller is told."""
    with pytest.raises(ConfigError, match="models.yaml"):
        Library(Settings(policies=tmp_path), loaded=lambda _: None, refused=lambda: None)


def test_files_that_did_not_change_are_not_read_again(world: World) -> None:
    """Beliefs, caches and metrics stay as they are."""
    before = world.library.get()
    assert world.library.refresh() is False
    assert world.library.get() is before and world.loaded == [before] and world.refused == 0


def test_a_good_change_is_taken_as_one(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A request that began with the old files keeps them to its end."""
    before = world.library.get()
    world.write("default", "second")
    world.write("other", "new")
    with caplog.at_level(logging.INFO, "turnout"):
        assert world.library.refresh() is True
    assert world.serving == "second" and set(world.library.get().policies) == {"default", "other"}
    assert before.policies["default"].description == "first" and set(before.policies) == {"default"}
    assert world.loaded == [before, world.library.get()] and "default, other" in caplog.text
    (world.folder / "other.yaml").unlink()
    assert world.library.refresh() is True and set(world.library.get().policies) == {"default"}


BAD = {
    "not yaml": ("default.yaml", "name: ["),
    "half written": ("default.yaml", "version: 1\nname: default\ndescr"),
    "unknown key": ("default.yaml", "version: 1\nname: default\nnope: 1\nclasses: [{name: rest}]\n"),
    "another name": ("default.yaml", "version: 1\nname: other\nclasses: [{name: rest}]\n"),
    "no policy name": ("Not A Policy.yaml", "version: 1\nname: x\nclasses: [{name: rest}]\n"),
    "catalog": ("models.yaml", "version: 1\nmodels: {}\n"),
    "empty": ("default.yaml", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_keeps_the_old_ones_serving(world: World, caplog: pytest.LogCaptureFixture, case: str) -> None:
    """It is complained of once, with its path, and counted once, however often the files are looked at."""
    name, text = BAD[case]
    before = world.library.get()
    world.write("extra", "good, but not alone")
    (world.folder / name).write_text(text)
    with caplog.at_level(logging.INFO, "turnout"):
        assert [world.library.refresh() for _ in range(3)] == [False] * 3
    assert world.library.get() is before and world.loaded == [before]
    assert world.refused == 1 and len(caplog.records) == 1
    assert str(world.folder / name) in caplog.text and "keep serving" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_a_bad_file_that_is_mended_is_served(world: World) -> None:
    """And one that gets worse is complained of anew."""
    world.write("default", "x", "name: [")
    world.library.refresh()
    world.write("default", "x", "name: [[")
    world.library.refresh()
    assert (world.refused, world.serving) == (2, "first")
    world.write("default", "mended")
    assert world.library.refresh() is True and world.serving == "mended"


def test_a_lost_file_keeps_the_old_ones_serving(world: World) -> None:
    """The default policy, the catalog, or the whole folder, as happens while a volume is mounted anew."""
    for lost in (world.folder / "default.yaml", world.folder / "models.yaml"):
        lost.rename(lost.with_suffix(".off"))
        assert world.library.refresh() is False and world.serving == "first"
        lost.with_suffix(".off").rename(lost)
        world.library.refresh()
    shutil.rmtree(world.folder)
    assert [world.library.refresh() for _ in range(2)] == [False, False]
    assert (world.refused, world.serving) == (3, "first")


def learned(world: World) -> None:
    """One observation, as an upstream's report of its tokens makes it."""
    beliefs = world.library.get().beliefs.observe("nemotron-3-super", 100, 120)
    world.library.believe(beliefs)
    assert world.library.get().beliefs is beliefs and beliefs.version == 1


def test_a_policys_change_leaves_what_was_learned(world: World) -> None:
    """The models are the same, so are the beliefs about them and everything cached by them."""
    learned(world)
    before = world.library.get()
    world.write("default", "second")
    assert world.library.refresh() is True and world.serving == "second"
    assert world.library.get().beliefs is before.beliefs and world.library.get().catalog is before.catalog


def test_a_catalogs_change_keeps_what_outcomes_said(world: World) -> None:
    """What a person wrote down of an arm counts as it is now; what was learned of it stays on top."""
    learned(world)
    path = world.folder / "models.yaml"
    text = path.read_text()
    path.write_text(text.replace("\nprior_strength: ", "\nprior_strength: 1", 1))
    assert path.read_text() != text
    assert world.library.refresh() is True
    found = world.library.get()
    assert found.catalog.prior_strength > 100
    assert found.beliefs.version == 1 and found.beliefs.tokens.corrections["nemotron-3-super"].reports == 1
    assert next(iter(found.beliefs.success.scores.known.values())).strength > 100


async def test_the_watcher_takes_changes_by_itself(tmp_path: Path) -> None:
    """The files are read beside the event loop and swapped on it, so that no belief learned meanwhile is lost."""
    world = World(tmp_path, reload_interval=0.01)
    watcher = asyncio.create_task(world.library.watch())
    await asyncio.sleep(0.03)
    assert world.loaded == [world.library.get()]
    learned(world)
    world.write("default", "second")
    world.swapped.clear()
    await asyncio.wait_for(world.swapped.wait(), 5)
    assert world.serving == "second" and world.library.get().beliefs.version == 1
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher


async def test_an_interval_of_zero_never_looks(tmp_path: Path) -> None:
    """For those who restart instead."""
    await asyncio.wait_for(World(tmp_path, reload_interval=0.0).library.watch(), 1)


def test_a_policy_may_begin_to_read_words(world: World) -> None:
    """What was learned stays, and from then on words are learned from; they are not forgotten when none reads them."""
    assert world.library.get().beliefs.success.words is None
    learned(world)
    world.write("default", "second", GOOD + "words: true\n")
    assert world.library.refresh() is True
    beliefs = world.library.get().beliefs
    assert beliefs.version == 1 and beliefs.success.words is not None
    world.write("default", "third")
    assert world.library.refresh() is True and world.library.get().beliefs is beliefs
    world.write("default", "fourth", GOOD + "words: true\n")
    assert world.library.refresh() is True and world.library.get().beliefs.success is beliefs.success
    world.library.believe(Beliefs.prior(world.library.get().catalog))  # such as a replica's that never read any
    assert world.library.get().beliefs.success.words is not None
