"""Writes deploy/simulated/models.yaml: the catalog with the models that `turnout simulate --port 8081` serves."""

from __future__ import annotations

from pathlib import Path

from router import catalog
from router.simulate import children

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "policies" / "models.yaml", ROOT / "deploy" / "simulated" / "models.yaml"
PORT = 8081
NOTE = b"# Written by scripts/simulated.py from policies/models.yaml. JSON is YAML.\n"


def scene() -> catalog.Catalog:
    names = catalog.load(SOURCE).models
    return children.scene(SOURCE, {name: f"http://127.0.0.1:{PORT + i}/v1" for i, name in enumerate(names)})


def fresh() -> bool:
    """Whether the file says what the catalog says now; sets have no order."""
    return TARGET.is_file() and catalog.load(TARGET) == scene()


if __name__ == "__main__":
    if not fresh():
        TARGET.write_bytes(NOTE + children.as_yaml(scene()) + b"\n")
