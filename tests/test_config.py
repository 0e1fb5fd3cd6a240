"""Catalog and policies read together: what refers to what, what is left out, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from router import config
from router.errors import ConfigError
from router.settings import Settings, shipped_dir

MINIMAL = "version: 1\nname: {name}\nclasses:\n  - name: rest\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped catalog and one policy."""
    shutil.copy(shipped_dir() / "models.yaml", tmp_path)
    (tmp_path / "default.yaml").write_text(MINIMAL.format(name="default"))
    return tmp_path


def load(folder: Path, **changes: object) -> config.Config:
    return config.load(Settings(policies=folder, **changes), without_keys=True)  # type: ignore[arg-type]


def refused(folder: Path, **changes: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, **changes)
    return caught.value


def test_the_shipped_files_load() -> None:
    """All five policies against the catalog; beliefs have seen nothing yet."""
    found = config.load(Settings(policies=shipped_dir()))
    assert set(found.policies) == {"default", "cost-first", "accuracy-first", "latency-first", "apache-only"}
    assert (found.default, found.beliefs.version) == ("default", 0)
    assert [name for name, *_ in found.stamp] == sorted(
        (n for n, *_ in found.stamp), key=lambda n: ("models" not in n, n)
    )
    assert len(found.stamp) == 6


def test_a_deployment_without_its_key_is_left_out_and_named(folder: Path) -> None:
    """Unless the decision is only looked at."""
    bare = config.load(Settings(policies=folder))
    assert bare.missing and set(bare.missing.values()) == {
        d.api_key_env for m in load(folder).catalog.models.values() for d in m.deployments if d.api_key_env
    }
    first, variable = next(iter(bare.missing.items()))
    model, _, deployment = first.partition(":")
    assert deployment not in {d.name for d in bare.catalog.models[model].deployments}
    with_key = config.load(Settings(policies=folder, environment={variable: "sk"}))
    assert first not in with_key.missing and "sk" not in repr(with_key.missing)
    assert load(folder).missing == {}


def test_a_catalog_elsewhere_is_no_policy(folder: Path) -> None:
    """By name, or as the file that it is: a link to it beside the policies is not read as one."""
    elsewhere = folder / "catalog.yaml"
    (folder / "models.yaml").rename(elsewhere)
    (folder / "link.yaml").symlink_to("catalog.yaml")
    assert set(load(folder, catalog=elsewhere).policies) == {"default"}
    (folder / "models.yaml").write_text("not: a policy")
    assert set(load(folder, catalog=elsewhere).policies) == {"default"}


def test_what_editors_and_systems_hide_beside_a_file_is_not_read(folder: Path) -> None:
    """Lock files are links to nowhere, and copies end in anything."""
    (folder / ".#default.yaml").symlink_to("user@host.1234:567")
    (folder / "._default.yaml").write_bytes(b"\x00\x05\x16\x07")
    (folder / "default.yaml~").write_text("half a poli")
    (folder / "learned").mkdir()
    (folder / "learned" / "default.yaml").write_text("p: 1")
    assert set(load(folder).policies) == {"default"}
    assert len(load(folder).stamp) == 2


@pytest.mark.parametrize("name", ["Default", "a b", "gpt-4.1", "x" * 65, "größe"])
def test_a_file_whose_name_cannot_be_a_policys_is_refused(folder: Path, name: str) -> None:
    """`auto:<name>` could never reach it."""
    path = folder / f"{name}.yaml"
    path.write_text(MINIMAL.format(name="default"))
    error = refused(folder)
    assert (error.path, error.line) == (str(path), None) and "policy name" in error.reason


def test_the_default_policy_must_be_there(folder: Path) -> None:
    """The message says what there is; a path is not looked up."""
    (folder / "second.yaml").write_text(MINIMAL.format(name="second"))
    assert load(folder, policy="second").default == "second"
    for name in ("nope", "../default", str(folder / "default")):
        assert str(refused(folder, policy=name)) == f"{folder}: has no policy {name!r}; there are: default, second"
    (folder / "default.yaml").unlink()
    (folder / "second.yaml").unlink()
    assert "there are: none" in str(refused(folder))


def test_a_missing_folder_or_catalog_is_told(folder: Path, tmp_path: Path) -> None:
    """Without a traceback."""
    assert str(refused(folder / "nope")) == f"{folder / 'nope' / 'models.yaml'}: No such file or directory"
    assert "has no policy" in str(refused(folder / "nope", catalog=folder / "models.yaml"))
    assert str(refused(folder, catalog=tmp_path / "x.yaml")).startswith(f"{tmp_path / 'x.yaml'}: ")
    loop = folder / "loop.yaml"
    loop.symlink_to("loop.yaml")
    assert refused(folder).path == str(loop)


@pytest.mark.parametrize(
    ("said", "line", "reason"),
    [
        ("exploration:\n  share: 0.1\n  arms: [nemotron-9]", 5, "exploration.arms: nemotron-9 not in the catalog"),
        (
            "constraints:\n  models: [nemotron-9, qwen3.5-122b/low, nemotron-3-super]",
            4,
            "models: nemotron-9, qwen3.5-122b/low not in",
        ),
        ("constraints:\n  max_cost: 1\n  runtime: [cuda, abacus]", 5, "runtime: abacus not in the catalog"),
    ],
)
def test_a_policy_may_only_name_what_the_catalog_has(folder: Path, said: str, line: int, reason: str) -> None:
    """A typo would close every gate; file and line say where it is."""
    text = f"version: 1\nname: default\n{said}\nclasses: [{{name: rest}}]\n"
    (folder / "default.yaml").write_text(text)
    error = refused(folder)
    assert (error.path, error.line) == (str(folder / "default.yaml"), line) and reason in error.reason


def test_a_policy_may_name_models_arms_and_runtimes_of_the_catalog(folder: Path) -> None:
    """Both kinds of name, together."""
    limits = "{models: [nemotron-3-super, qwen3.5-122b/off], runtime: [cuda]}"
    (folder / "default.yaml").write_text(MINIMAL.format(name="default") + f"constraints: {limits}\n")
    assert load(folder).policies["default"].constraints.models == {"nemotron-3-super", "qwen3.5-122b/off"}


def test_the_stamp_sees_every_change(folder: Path) -> None:
    """A new file, a lost one, another size or time; a broken link is none, and nothing in it raises."""
    settings = Settings(policies=folder)
    seen = [config.stamp(settings)]
    (folder / "Bad Name.yaml").write_text("x")
    seen.append(config.stamp(settings))
    (folder / "Bad Name.yaml").write_text("xy")
    seen.append(config.stamp(settings))
    os.utime(folder / "Bad Name.yaml", ns=(1, 1))
    seen.append(config.stamp(settings))
    (folder / "models.yaml").unlink()
    seen.append(config.stamp(settings))
    assert len(set(seen)) == len(seen)
    (folder / "broken.yaml").symlink_to("nowhere")
    assert config.stamp(settings) == seen[-1]
    assert config.stamp(Settings(policies=folder / "nope")) == ()


def test_every_policy_has_the_digest_of_its_file(folder: Path) -> None:
    """By which a record says exactly what it was decided by: other bytes, another version."""
    before = load(folder).versions
    assert set(before) == {"default"} and len(before["default"]) == 12
    assert load(folder).versions == before
    (folder / "default.yaml").write_text(MINIMAL.format(name="default") + "retries: 2\n")
    assert load(folder).versions["default"] != before["default"]
