"""/openapi.json is true: schemathesis, as it is, makes requests from it and holds the answers against it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.running import KEY, PATIENCE_S, Running, environment

EXCEPT = "positive_data_acceptance"
"""Not every rule can be said in a schema (one of three ids, a hint that fits the policy): what fits may be refused."""


@pytest.mark.timeout(400)
def test_the_description_holds(turnout_server: Running, tmp_path: Path) -> None:
    """Statuses, headers, bodies and media types are those described; what breaks a schema is refused; nothing is a
    fault of the server's; methods that a path does not take are told with those that it takes."""
    program = environments.made("schemathesis") / "bin" / "schemathesis"
    done = subprocess.run(
        [program, "run", f"{turnout_server.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}",
         "--exclude-checks", EXCEPT, "--max-examples", "10", "--seed", "1", "--generation-deterministic",
         "--suppress-health-check", "all", "--no-color"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 10,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested and int(tested[1]) >= 16
