"""The demo's lanes: honest hints, retries that end where they should."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from router import hints as known
from router.catalog import Catalog
from router.simulate.lanes import Agent, Lane, cascade, fixed, hints
from router.simulate.workload import Job, jobs
from tests.faulty import Faulty
from tests.simulate.asking import ledger
from tests.simulate.conftest import NEMOTRON, QWEN, Models

STRONG = "qwen3.5-397b"


def small(count: int, *classes: str) -> list[Job]:
    """The first jobs of some classes, without the megabyte contexts."""
    return [j for j in jobs(400, 7) if j.task.step_class in classes][:count]


def test_hints_are_ones_that_turnout_knows() -> None:
    """Every job's hints are valid; a format check is left to the router, a caller's verdict counts the attempts."""
    for job in jobs(100, 7):
        said = known.read([("turnout.", hints(job, job.task.id, 1))])
        assert (said.step, said.retries, said.accuracy) == (
            job.task.step_class,
            job.profile.retries,
            job.profile.accuracy,
        )
        assert said.attempt == (None if job.profile.verify == "format" else 1)
        assert said.verify == (None if job.profile.verify == "format" else job.profile.verify)


async def worked(models: Models, lane: Lane, work: list[Job]) -> tuple[dict[str, bool], dict[str, Any]]:
    """What a lane's agent says of its jobs, and the ledger's entries by step."""
    async with models() as clients:
        agent = Agent(lane, clients)
        right = await asyncio.gather(*(agent.work(job) for job in work))
        solved = {job.task.id: success for job, success in zip(work, right, strict=True)}
        return solved, (await ledger(clients[QWEN], lane=lane.name)).get(lane.name, {})


async def test_an_agent_retries_until_it_is_right(models: Models) -> None:
    """With its own test an agent stops at the first right answer or when its retries are used up; both happen."""
    work = small(25, "code", "reasoning", "multilingual", "long_output", "chat")
    solved, entries = await worked(models, fixed(NEMOTRON, "N"), work)
    for job in work:
        rights = [e["right"] for e in entries[job.task.id]]
        assert solved[job.task.id] == rights[-1]
        assert not any(rights[:-1])
        assert len(rights) <= 1 + job.profile.retries
        assert rights[-1] or len(rights) == 1 + job.profile.retries
    assert set(solved.values()) == {True, False}
    assert max(len(e) for e in entries.values()) == 3


async def test_a_format_check_hardly_sees_wrong_content(models: Models) -> None:
    """Orders that fit the schema are taken, right or wrong; only broken ones are asked for again."""
    work = small(40, "structured")
    solved, entries = await worked(models, fixed(QWEN, "Q"), work)
    for job in work:
        forms = [e["form"] for e in entries[job.task.id]]
        assert solved[job.task.id] == (forms[-1] == "right")
        assert len(forms) == 1 or forms[0] in ("empty", "refusal", "malformed")
    assert any(e[-1]["form"] == "wrong" for e in entries.values())


async def test_a_tool_step_is_two_steps(models: Models) -> None:
    """First the right calls, then the answer from what the tool said; without the calls there is no second step."""
    work = small(25, "tool_use")
    solved, entries = await worked(models, fixed(QWEN, "Q"), work)
    turns = {job.task.id: [s for s in entries if s.partition("+")[0] == job.task.id] for job in work}
    for job in work:
        first, *second = sorted(turns[job.task.id])
        assert first == job.task.id
        assert bool(second) == entries[first][-1]["right"]
        assert solved[job.task.id] == (bool(second) and entries[second[0]][-1]["right"])
    assert {s.partition("+")[2] for s in entries} == {"", "1", "2"}
    assert set(solved.values()) == {True, False}


@pytest.mark.parametrize(
    ("lane", "arms"),
    [
        (fixed(NEMOTRON, "N"), set()),
        (cascade(NEMOTRON, STRONG, "C"), {f"{STRONG}/on"}),
    ],
)
async def test_pictures_need_a_model_that_sees(models: Models, lane: Lane, arms: set[str]) -> None:
    """A refused step fails without a cost; the cascade sends pictures to the strong model."""
    solved, entries = await worked(models, lane, small(6, "vision"))
    assert {e["arm"] for attempts in entries.values() for e in attempts} == arms
    assert any(solved.values()) == bool(arms)


async def test_a_cascade_escalates(catalog: Catalog, models: Models) -> None:
    """Cheap first, strong for every retry."""
    _, entries = await worked(models, cascade(NEMOTRON, STRONG, "C"), small(15, "code"))
    for attempts in entries.values():
        assert [e["arm"] for e in attempts] == [f"{NEMOTRON}/on", f"{STRONG}/on", f"{STRONG}/on"][: len(attempts)]
    assert max(map(len, entries.values())) > 1


@pytest.mark.parametrize("fault", ["close-mid", "bad-chunk-mid", "hang-up"])
async def test_a_stream_that_breaks_is_an_attempt_that_is_gone(fault: str) -> None:
    """Whatever the client library makes of a server that goes in the middle of an answer, the agent tries again."""
    (job,) = small(1, "long_output")
    async with Faulty() as upstream, AsyncOpenAI(base_url=upstream.url, api_key="none", max_retries=0) as client:
        agent = Agent(fixed(fault, fault), {fault: client})
        assert await agent.work(job) is False
    assert agent.refused == upstream.requests == 1 + job.profile.retries == 2
