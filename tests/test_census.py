"""Many processes' numbers read as those of one that did everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.census import Row, Table, lasting, united
from router.metrics import Metrics

TRACES = ("0af7651916cd43dd8448eb211c80319c", None)
STEPS = st.lists(st.tuples(st.integers(0, 3).map(float), st.sampled_from(("a", "b")), st.sampled_from(TRACES)))


def counted(steps: list[tuple[float, str, str | None]]) -> Metrics:
    metrics = Metrics()
    for seconds, model, trace in steps:
        metrics.first_token.labels(model).observe(seconds, trace)
        metrics.retries.labels(model, "code", "fault").inc()
    return metrics


def lines(metrics: Metrics, census: tuple[Table, ...] | None = None) -> list[str]:
    """What is exposed of steps, in any order of series, without exemplars, which tell the time."""
    text = metrics.render("text/plain", census)[0].decode()
    return sorted(line for line in text.splitlines() if line.startswith(("gen_ai_server", "turnout_retries")))


@given(st.lists(STEPS, min_size=1, max_size=3))
def test_the_sum_reads_as_one(shares: list[list[tuple[float, str, str | None]]]) -> None:
    """However the steps were spread over workers, counters and histograms are those of one that took them all."""
    alone = counted([step for share in shares for step in share])
    assert lines(alone, united([counted(share).census() for share in shares])) == lines(alone)


def table(name: str, kind: str, value: float) -> Table:
    return Table(name, "", kind, (Row(name, (), value),))


def test_levels_by_their_rule() -> None:
    """What is under way adds up; one breaker that is open is told; the beliefs that are behind count."""
    rules = {"turnout_inflight": 5.0, "turnout_breaker_state": 3.0, "turnout_beliefs_version": 2.0}
    both = united([[table(name, "gauge", value) for name in rules] for value in (2.0, 3.0)])
    assert {t.name: t.rows[0].value for t in both} == rules


def test_the_latest_example_stays() -> None:
    """Whichever of the two has none, or an older one."""
    old, new = (Row("b", (("le", "1"),), 1.0, ("t", 0.5, at)) for at in (1.0, 2.0))
    bare = old._replace(example=None)
    for rows in ((old, new), (new, old), (bare, new), (new, bare)):
        assert united([[Table("h", "", "histogram", (row,))] for row in rows])[0].rows[0].example == new.example


def test_what_lasts_of_one_that_is_gone() -> None:
    """What it counted, but nothing that it had under way."""
    census = [table("c", "counter", 1.0), table("g", "gauge", 1.0), table("h", "histogram", 1.0)]
    assert [t.name for t in lasting(census)] == ["c", "h"]
