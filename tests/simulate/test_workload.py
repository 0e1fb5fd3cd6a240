"""The demo's jobs: the same terms for every lane."""

from __future__ import annotations

from collections import Counter

from router.simulate.workload import PROFILES, RUN_LENGTH, jobs


def test_jobs_come_in_the_stated_shares() -> None:
    """Each profile has its share, runs have their length, ids are unique, and the seed decides the order."""
    work = jobs(300, 7)
    shares = Counter(j.profile for j in work)
    assert {p: shares[p] for p in PROFILES} == {p: 3 * p.share for p in PROFILES}
    assert set(Counter(j.run for j in work).values()) == {RUN_LENGTH}
    assert len({j.task.id for j in work}) == len(work)
    assert work == jobs(300, 7) != jobs(300, 8)
    assert {j.profile for j in jobs(40, 7)} >= {p for p in PROFILES if p.share >= 5}


def test_prompts_name_their_task_and_no_lane() -> None:
    """The task's line and question are in the last message; pictures are attached; long contexts are long."""
    for job in jobs(120, 7):
        text = str(job.messages())
        assert f"Task {job.task.id}" in text
        assert ("image_url" in text) == (job.task.step_class == "vision")
        assert (len(text) > 1_000_000) == (job.task.step_class == "long_context")
