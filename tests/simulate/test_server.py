"""The simulated servers as a whole."""

from __future__ import annotations

import asyncio

import pytest
from openai import NotFoundError

from router.catalog import Catalog
from router.errors import ConfigError
from router.simulate import tasks
from router.simulate.server import Options, listen, running, simulated
from tests.simulate.asking import ask, ledger
from tests.simulate.conftest import NEMOTRON, QWEN, Models


async def test_models_health_and_unknown_paths(models: Models) -> None:
    """Each port lists its one model with its window; health answers; anything else is a 404."""
    async with models() as clients:
        listed = {name: [m async for m in client.models.list()] for name, client in clients.items()}
        root = clients[QWEN].base_url
        assert await clients[QWEN].get(str(root.join("/health")), cast_to=str) == ""
        with pytest.raises(NotFoundError):
            await clients[QWEN].get(str(root.join("/v2/nothing")), cast_to=object)
    assert {name: [m.id for m in found] for name, found in listed.items()} == {name: [name] for name in listed}
    assert listed[QWEN][0].model_extra["max_model_len"] == 262_144


async def test_answers_do_not_depend_on_order_or_company(models: Models) -> None:
    """The same requests one by one and all at once, in other servers of the same seed, come to the same ledger."""
    work = [tasks.make("code", i, 7) for i in range(30)]
    async with models() as clients:
        for task in work:
            await ask(clients[NEMOTRON], NEMOTRON, task)
        one_by_one = await ledger(clients[NEMOTRON])
    async with models() as clients:
        await asyncio.gather(*(ask(clients[NEMOTRON], NEMOTRON, task) for task in reversed(work)))
        at_once = await ledger(clients[NEMOTRON])
    async with models(seed=8) as clients:
        await asyncio.gather(*(ask(clients[NEMOTRON], NEMOTRON, task) for task in work))
        other_seed = await ledger(clients[NEMOTRON])
    assert one_by_one == at_once != other_seed


async def test_time_passes_at_the_stated_factor(catalog: Catalog, models: Models) -> None:
    """A slow clock takes longer in earnest, a stream shows its first content before its last."""
    task = tasks.make("code", 1, 7)
    loop = asyncio.get_running_loop()
    async with models(speed=20.0) as clients:
        began = loop.time()
        stream = await ask(clients[NEMOTRON], NEMOTRON, task, stream=True)
        times = [loop.time() - began async for _ in stream]
        entries = await ledger(clients[NEMOTRON])
    expected = entries[""]["code-0001"][0]["seconds"] / 20
    assert times[-1] >= expected * 0.95
    assert times[len(times) // 2] < times[-1] * 0.9


def test_a_simulated_catalog_has_the_cheapest_prices_and_no_keys(catalog: Catalog) -> None:
    """One deployment for each model, at the given address, with a parameter for each thinking mode."""
    scene = simulated(catalog, {NEMOTRON: "http://127.0.0.1:9/v1"})
    (deployment,) = scene.models[NEMOTRON].deployments
    assert list(scene.models) == [NEMOTRON]
    assert deployment.url == "http://127.0.0.1:9/v1"
    assert deployment.api_key_env is None
    assert deployment.usd.output == min(d.usd.output for d in catalog.models[NEMOTRON].deployments)
    assert deployment.thinking.keys() == catalog.models[NEMOTRON].thinking.keys()
    bare = catalog.models[QWEN].model_copy(update={"deployments": ()})
    with pytest.raises(ConfigError, match="no deployment"):
        simulated(Catalog.model_construct(**{**dict(catalog), "models": {QWEN: bare}}), {QWEN: "http://127.0.0.1:9/v1"})


async def test_a_taken_port_is_one_sentence(catalog: Catalog) -> None:
    """Binding a port twice raises a ConfigError that names it and says what to do."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot be bound: .* Choose another with --port"):
            listen("127.0.0.1", port)
    async with running(catalog, Options()) as urls:
        assert set(urls) == set(catalog.models)
