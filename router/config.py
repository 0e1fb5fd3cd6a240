"""What serving stands on at one moment: catalog, policies and beliefs, read together and swapped as one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from router import catalog as catalogs
from router import policy as policies
from router import promotions, yaml_file
from router.beliefs import Beliefs
from router.catalog import Catalog, Deployment
from router.errors import ConfigError
from router.policy import POLICY_NAME, Policy
from router.settings import Settings


class Config(msgspec.Struct, frozen=True):
    catalog: Catalog
    policies: Mapping[str, Policy]
    default: str
    """Name of the policy that `auto` means."""
    beliefs: Beliefs
    missing: Mapping[str, str] = {}
    """Deployment (`model:name`) → the environment variable whose key it lacks; such deployments are left out."""
    versions: Mapping[str, str] = {}
    """Policy → digest of its file's bytes: 12 hexadecimal digits."""
    stamp: tuple[tuple[str, int, int], ...] = ()
    """Path, mtime and size of every file read, to see a change."""

    def deployments(self) -> list[Deployment]:
        return [d for _, d in self.catalog.places]


def load(settings: Settings, *, without_keys: bool = False) -> Config:
    """Reads the catalog and every policy. Raises ConfigError for the first file that is wrong.

    `without_keys` keeps the deployments whose key is missing, for looking at decisions that are never carried out.
    """
    marks = stamp(settings)
    whole = catalogs.load(settings.catalog_path)
    found: dict[str, Policy] = {}
    versions: dict[str, str] = {}
    promoted = promotions.serving(settings.policies_dir)
    for path in policy_files(settings.policies_dir, settings.catalog_path):
        if not POLICY_NAME.match(path.stem):
            raise ConfigError(
                str(path), None, "the file's name must be a policy name: a-z, 0-9, '_' and '-', at most 64"
            )
        read = policies.load(path)
        refers(read, whole, path)
        if not without_keys:
            _has_keys(read, settings.environment, path)
        version = promotions.digest(yaml_file.read_bytes(path))
        entry = promoted.get(read.name)
        if entry is not None and entry.base == version:
            read, version = _instead(settings.policies_dir, entry, whole), entry.version
        found[read.name], versions[read.name] = read, version
    if settings.policy not in found:
        raise ConfigError(
            str(settings.policies_dir),
            None,
            f"has no policy {settings.policy!r}; there are: {', '.join(found) or 'none'}",
        )
    usable, missing = (whole, {}) if without_keys else catalogs.usable(whole, settings.environment)
    beliefs = Beliefs.prior(usable)
    if any(p.reads(c) for p in found.values() for c in p.classes):
        beliefs = beliefs.reading()
    return Config(usable, found, settings.policy, beliefs, missing, versions, marks)


def _instead(folder: Path, entry: promotions.Entry, catalog: Catalog) -> Policy:
    """The policy that was promoted, under the name of the one in whose place it stands."""
    file = promotions.kept(folder, entry.version)
    found = yaml_file.parse(promotions.read(folder, entry), str(file), Policy)
    refers(found, catalog, file)
    return found.model_copy(update={"name": entry.policy})


def policy_files(folder: Path, catalog: Path) -> list[Path]:
    """What must be policies in `folder`, by name: not the catalog, nor what editors and systems hide beside a file."""
    other = os.path.realpath(catalog)
    found = (p for p in folder.glob("*.yaml") if p.name != "models.yaml" and not p.name.startswith("."))
    return sorted(p for p in found if os.path.realpath(p) != other)


def stamp(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    """What `load` would read, by path, mtime (ns) and size."""
    marks = []
    files = policy_files(settings.policies_dir, settings.catalog_path)
    for path in (settings.catalog_path, *files, promotions.path(settings.policies_dir)):
        try:
            stat = path.stat()
        except OSError:
            continue
        marks.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(marks)


def _has_keys(policy: Policy, environment: Mapping[str, str], path: Path) -> None:
    """Raises ConfigError where a judge's key is not set: silently, it would judge nothing."""
    for name, judge in policy.judges.items():
        if judge.key_env is not None and not environment.get(judge.key_env, "").strip():
            line = yaml_file.line_of(yaml_file.read_bytes(path), str(path), ("judges", name, "key_env"))
            raise ConfigError(str(path), line, f"judges.{name}.key_env: {judge.key_env} is not set")


def refers(policy: Policy, catalog: Catalog, path: Path) -> None:
    """Raises ConfigError where a policy names a model, arm or runtime that the catalog lacks."""
    known = {
        "models": {*catalog.models, *catalog.arm},
        "runtime": {r for m in catalog.models.values() for r in m.runtimes},
    }
    for key, names in known.items():
        if unknown := sorted((getattr(policy.constraints, key) or frozenset()) - names):
            line = yaml_file.line_of(yaml_file.read_bytes(path), str(path), ("constraints", key))
            raise ConfigError(str(path), line, f"constraints.{key}: {', '.join(unknown)} not in the catalog")
    if unknown := sorted((policy.exploration.arms or frozenset()) - known["models"]):
        line = yaml_file.line_of(yaml_file.read_bytes(path), str(path), ("exploration", "arms"))
        raise ConfigError(str(path), line, f"exploration.arms: {', '.join(unknown)} not in the catalog")
