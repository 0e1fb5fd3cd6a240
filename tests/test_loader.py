"""Heavy libraries, loaded on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import os, socket, sys
from router import loader

def stay(*_, **__):
    raise SystemExit("reached out")

assert "litellm" not in sys.modules
socket.socket.connect = socket.getaddrinfo = stay
upstream = loader.litellm_upstream({})
litellm = sys.modules["litellm"]
quiet = litellm.suppress_debug_info and litellm.disable_aiohttp_trust_env
print(type(upstream).__name__, quiet, "FROM_DOTENV" in os.environ)
"""


def test_litellm_loads_quietly(tmp_path: Path) -> None:
    """Importing it reaches nobody, prints nothing, and reads no .env file from the working folder."""
    (tmp_path / ".env").write_text("FROM_DOTENV=1\n")
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("LiteLLMUpstream True False\n", "")
