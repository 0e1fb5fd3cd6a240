"""The demo's processes: started with inherited sockets, and ended whatever happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from openai import OpenAI

from router import catalog as catalogs
from router.catalog import Catalog
from router.simulate import children
from router.simulate.server import Options, simulated
from tests.simulate.conftest import CATALOG, NEMOTRON


def test_models_run_in_a_process_of_their_own() -> None:
    """They answer at the addresses given before they are up, and have ended after the block."""
    with children.models(CATALOG, Options(speed=10_000.0), os.environ) as (child, addresses):
        with OpenAI(base_url=addresses[NEMOTRON], api_key="none", timeout=20) as client:
            answer = client.chat.completions.create(model=NEMOTRON, messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].message.content
        assert child.epitaph() is None
    assert child.process.poll() is not None


def test_models_end_when_their_parent_is_gone() -> None:
    """Closing their standard input, as a killed parent does, ends them."""
    with children.models(CATALOG, Options(), os.environ) as (child, _):
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert child.process.wait(timeout=10) == 0


def test_a_process_that_fails_has_last_words() -> None:
    """Its status and the last line of its complaints."""
    words = "import sys; print('first', file=sys.stderr); print('the reason', file=sys.stderr); sys.exit(3)"
    with children.child("The thing", "-c", words, environment=os.environ) as child:
        child.process.wait(timeout=10)
        assert child.epitaph() == "The thing ended with status 3: the reason"
    with children.child("The thing", "-c", "", environment=os.environ, orders=b"x" * 1_000_000) as child:
        child.process.wait(timeout=10)
        assert child.epitaph() == "The thing ended with status 0."


def test_processes_end_with_the_block_even_if_they_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on an error, and by force where they do not listen."""
    monkeypatch.setattr(children, "GRACE_S", 0.2)
    deaf = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', file=sys.stderr); time.sleep(60)"
    with pytest.raises(RuntimeError), children.child("Deaf", "-c", deaf, environment=os.environ) as child:
        time.sleep(0.5)
        raise RuntimeError
    assert child.process.returncode is not None


def test_the_shells_settings_do_not_reach_a_child() -> None:
    """TURNOUT_* variables are left out, all others are handed on."""
    words = "import os, sys; sys.exit(any(k.startswith('TURNOUT_') for k in os.environ) or os.environ['OTHER'] != 'x')"
    environment = {**os.environ, "TURNOUT_PORT": "1", "OTHER": "x"}
    with children.child("It", "-c", words, environment=environment) as child:
        assert child.process.wait(timeout=10) == 0


def test_a_scene_can_be_written_and_read_again(catalog: Catalog, tmp_path: Path) -> None:
    """The catalog that the router is given is the one that the simulators serve."""
    scene = simulated(catalog, {name: f"http://127.0.0.1:{9000 + i}/v1" for i, name in enumerate(catalog.models)})
    path = tmp_path / "models.yaml"
    path.write_bytes(children.as_yaml(scene))
    again = catalogs.load(path)
    assert again.models == scene.models
    assert again.classes == scene.classes and again.benchmarks == scene.benchmarks
