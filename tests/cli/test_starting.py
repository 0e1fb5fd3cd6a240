"""`turnout init` against live, dead and mistaken endpoints."""

from __future__ import annotations

from pathlib import Path

from openai import OpenAI

from router import catalog as catalogs
from tests.cli.conftest import Command
from tests.clients.running import free_port, serving


def test_init_writes_a_catalog_that_serves(command: Command, addresses: dict[str, str], tmp_path: Path) -> None:
    """Each mode is tried live; the folder serves as it is; a second time asks for --force; --no-probe tries nothing."""
    folder, url = tmp_path / "mine", addresses["nemotron-3-super"]
    flags = ["init", "--provider", "vllm", "--output", str(folder), "--model", "nemotron-3-super=nemotron-3-super"]
    done = command(*flags, "--base-url", url)
    assert done.status == 0 and done.out.count("\nok ") == 3
    assert f"Wrote {folder}/models.yaml with 1 deployment(s)" in done.out
    found = catalogs.load(folder / "models.yaml")
    assert [(m.name, d.url) for m in found.models.values() for d in m.deployments] == [("nemotron-3-super", url)]
    with serving(folder, tmp_path / "log") as server, OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].message.content
    again = command(*flags, "--base-url", url)
    assert again.status == 2 and "is there already; say --add to keep what it has" in again.err
    untried = command(*flags, "--base-url", "http://127.0.0.1:1/v1", "--no-probe", "--force")
    assert untried.status == 0 and "ok " not in untried.out


def test_init_adds_a_second_place(command: Command, addresses: dict[str, str], tmp_path: Path) -> None:
    """`--add` keeps what a catalog has, renames a namesake, and replaces what is the same model at the same place."""
    flags = ["init", "--provider", "vllm", "--output", str(tmp_path), "--add"]

    def served() -> list[tuple[str, str, str]]:
        models = catalogs.load(tmp_path / "models.yaml").models.values()
        return [(m.name, d.name, d.url) for m in models for d in m.deployments]

    for name in ("nemotron-3-super", "qwen3.5-122b", "qwen3.5-122b"):
        assert command(*flags, "--base-url", addresses[name], "--model", f"{name}={name}").status == 0
    both = [(name, "vllm", addresses[name]) for name in ("nemotron-3-super", "qwen3.5-122b")]
    assert served() == both
    for url in ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"):
        assert command(*flags, "--no-probe", "--base-url", url, "--model", "qwen3.5-122b=qwen").status == 0
    assert [name for model, name, _ in served() if model == "qwen3.5-122b"] == ["vllm", "vllm-2", "vllm-3"]


def test_init_says_what_to_mend(command: Command, addresses: dict[str, str], tmp_path: Path) -> None:
    """A dead address and a wrong model id: what failed and what to do, and nothing is written."""
    flags = ["init", "--provider", "vllm", "--output", str(tmp_path / "mine"), "--model", "qwen3.5-122b=qwen"]
    dead = command(*flags, "--base-url", f"http://127.0.0.1:{free_port()}/v1")
    wrong = command(*flags, "--base-url", addresses["qwen3.5-122b"])
    for done in (dead, wrong):
        assert done.status == 2 and "nothing answered, so nothing was written" in done.err
    assert "Start the endpoint, or correct base_url" in dead.out
    assert "Check the model id 'qwen'" in wrong.out and "It has: qwen3.5-122b." in wrong.out
    assert not (tmp_path / "mine").exists()


def test_init_asks_for_a_key_before_it_calls(command: Command, tmp_path: Path) -> None:
    """One line that names the variable, rather than a failure for each mode of each model."""
    done = command("init", "--provider", "openrouter", "--output", str(tmp_path / "mine"))
    assert done.status == 2 and "OPENROUTER_API_KEY is not set" in done.err and not done.out
    assert not (tmp_path / "mine").exists()


def test_init_takes_what_is_served_and_how(command: Command, tmp_path: Path) -> None:
    """The runtime scales the speed that is expected, the dialect is how thinking is switched; wrong ones are named."""
    flags = ["init", "--provider", "other", "--base-url", "http://127.0.0.1:1/v1", "--output", str(tmp_path / "mine")]
    flags += ["--model", "qwen3.5-122b=qwen", "--no-probe"]
    assert command(*flags, "--runtime", "llama-cpp", "--dialect", "none").status == 0
    (deployment,) = catalogs.load(tmp_path / "mine" / "models.yaml").models["qwen3.5-122b"].deployments
    assert (deployment.runtime, deployment.thinking) == ("llama-cpp", {"on": {}})
    wrong = command(*flags, "--runtime", "abacus", "--force")
    assert wrong.status == 2 and "'abacus' is not one of cuda, nim" in wrong.err
