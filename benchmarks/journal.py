"""Times the journal: what an append costs a step, and how fast records are made, written and read back.

`python -m benchmarks.journal [--records N]` prints microseconds and records a second, for a decision of six arms with
three retries.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import msgspec

from benchmarks.decision import TERMS, catalog
from router.beliefs import Beliefs
from router.hints import Hints
from router.journal import Files, Journal, Limits, read, records
from router.outcome import Attempt, CheckResult, Outcome
from router.plan import Situation, decide
from router.step import Facts


def outcome(number: int) -> Outcome:
    """A step with two attempts; the input's length differs, as it does in serving."""
    facts = Facts(input_bytes=20_000 + number % 5_000, turn=3, tools=4)
    decision = decide(facts, TERMS, BELIEFS, CATALOG, Situation())
    checks = (CheckResult("schema", True), CheckResult("tools", False, "no such tool"))
    attempt = Attempt("n/on", "n", "main", 0, 0.0, 1.5, 0.2, 200, 8_000, 0, 1_500, 700, cost_usd=0.001, checks=checks)
    return Outcome(
        decision_id=f"dec_{number:024d}",
        key_id="0123456789abcdef",
        policy="default",
        step_class="code",
        stream=False,
        seconds=3.1,
        overhead_s=0.0004,
        status=200,
        result="accepted",
        attempts=(attempt, msgspec.structs.replace(attempt, position=1)),
        decision=decision,
        policy_version="0123456789ab",
        facts=facts,
        hints=Hints(accuracy=0.9, retries=3, run_id="run", step_id="step"),
        run_id="run",
        step_id="step",
        started_at=1.8e9 + number,
    )


CATALOG = catalog()
BELIEFS = Beliefs.prior(CATALOG)


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, lines: object) -> None: ...
    def tend(self) -> None: ...
    def close(self) -> None: ...


def per(count: int, began: float) -> str:
    return f"{(time.perf_counter() - began) / count * 1e6:8.2f} us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    count = parser.parse_args().records
    few = [outcome(i) for i in range(500)]
    tracemalloc.start()
    kept = [outcome(i) for i in range(200)]
    print(f"memory of a waiting outcome {tracemalloc.get_traced_memory()[0] / len(kept) / 1e3:8.2f} KB")
    tracemalloc.stop()

    told = {"written": lambda n: None, "dropped": lambda n: None, "degraded": lambda on: None}
    idle = Journal(Nowhere(), buffer=count, **told)
    began = time.perf_counter()
    for i in range(count):
        idle.observe(few[i % 500])
    print(f"append, all that a step pays {per(count, began)}")
    for plans in (False, True):
        began = time.perf_counter()
        for each in few:
            line = records.encode(records.of_outcome(each, plans=plans))
        print(f"make a record, plans {plans!s:5}   {per(len(few), began)}  {len(line):,} bytes")

    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Files(Path(folder), Limits()), buffer=count, **told)
        for i in range(count):
            journal.observe(few[i % 500])
        began = time.perf_counter()
        journal.start()
        journal._stop.set()
        journal._thread.join()
        seconds = time.perf_counter() - began
        size = sum(p.stat().st_size for p in Path(folder).iterdir())
        print(f"write {count:,} records       {count / seconds:10,.0f} /s  {size / 1e6 / seconds:,.0f} MB/s")
        began = time.perf_counter()
        found = sum(1 for _ in read(Path(folder)))
        print(f"read {found:,} records        {found / (time.perf_counter() - began):10,.0f} /s")


if __name__ == "__main__":
    main()
