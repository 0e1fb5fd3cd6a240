"""Several workers behind one port: they count together, and one that is killed is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from openai import OpenAI
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from router.cli.sockets import bind, bind_for_each
from router.errors import ConfigError
from router.settings import Settings
from router.simulate.server import listen
from tests.cli.test_serving import ENDS, streamed, until
from tests.clients.running import PATIENCE_S, Running, serving, turnout

HELLO = {"model": "auto", "messages": [{"role": "user", "content": "Mend the test."}]}
TRACE = "0af7651916cd43dd8448eb211c80319c"
STEPS = "gen_ai_server_request_duration_seconds_count"


def workers(server: Running) -> list[int]:
    """Process ids of the workers that live, as the system says."""
    found = []
    for child in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline")
        if line.exists() and b"router.cli.worker" in line.read_bytes():
            found.append(int(child))
    return found


def step(server: Running) -> int:
    """One step on a connection of its own. Its status; 0 where the connection broke."""
    headers = {"content-type": "application/json", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    request = Request(f"{server.url}/v1/chat/completions", json.dumps(HELLO).encode(), headers)
    try:
        with urlopen(request, timeout=PATIENCE_S) as got:
            got.read()
            return int(got.status)
    except OSError:
        return 0


def scraped(server: Running) -> str:
    request = Request(f"{server.url}/metrics", headers={"accept": "application/openmetrics-text"})
    with urlopen(request, timeout=PATIENCE_S) as got:
        text: str = got.read().decode()
    return text


def total(text: str, sample: str) -> float:
    """The sum of a sample over all its labels."""
    families = text_string_to_metric_families(text)
    return sum(s.value for family in families for s in family.samples if s.name == sample)


def recorded(state: Path) -> Counter[str]:
    """Decision ids of the steps in the journal, by the process that wrote them."""
    found: Counter[str] = Counter()
    for path in (state / "journal").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            found[path.name.split("-")[2]] += "status" in record
    return found


def test_they_count_together(own: Path, tmp_path: Path) -> None:
    """Whoever is asked tells the sums of all, with exemplars; each writes a journal of its own."""
    state = tmp_path / "s"
    with serving(own, tmp_path / "log", TURNOUT_WORKERS="2", TURNOUT_STATE_DIR=str(state)) as server:
        until(lambda: total(scraped(server), "turnout_build_info") == 1 and len(workers(server)) == 2)
        until(lambda: total(scraped(server), "process_resident_memory_bytes") > 150e6)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: step(server), range(60))) == {200}
        texts = [scraped(server) for _ in range(6)]
        assert [total(text, STEPS) for text in texts] == [60.0] * 6
        assert all(f'trace_id="{TRACE}"' in text for text in texts)
        until(lambda: total(scraped(server), "turnout_beliefs_holder") == 1)  # the lease takes a moment
        assert server.end() == 128 + signal.SIGTERM
    assert sum(recorded(state).values()) == 60
    assert len(recorded(state)) == 2


def test_one_is_killed_under_load(own: Path, tmp_path: Path) -> None:
    """Another takes its place in 10 seconds; steps that were answered are in the journal, but those of the last moment;
    no counter goes backwards, and what the killed one had told stays counted."""
    state = tmp_path / "s"
    seen: list[float] = []
    with serving(own, tmp_path / "log", TURNOUT_WORKERS="2", TURNOUT_STATE_DIR=str(state)) as server:
        until(lambda: len(workers(server)) == 2)
        before = workers(server)
        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(lambda _: step(server), range(40)))
            time.sleep(0.3)
            seen.append(total(scraped(server), STEPS))
            later = [pool.submit(step, server) for _ in range(200)]
            os.kill(before[0], signal.SIGKILL)
            began = time.monotonic()
            until(lambda: len(workers(server)) == 2 and before[0] not in workers(server))
            assert time.monotonic() - began < 10
            seen.append(total(scraped(server), STEPS))
            answered = [each.result() for each in later]
        seen.append(total(scraped(server), STEPS))
        assert set(first) == {200}
        assert answered.count(0) <= 8, "only what was in the killed one's hands"
        assert seen == sorted(seen) and seen[0] == 40
        assert f"worker {before[0]} ended with status -9" in server.said()
        assert server.end() == 128 + signal.SIGTERM
    written = sum(recorded(state).values())
    assert written >= 40 + answered.count(200) - 16, "50 ms of one worker"


def test_streams_end_and_the_supervisor_with_them(own: Path, tmp_path: Path) -> None:
    """At SIGTERM a stream under way comes to its end, nobody new is let in, and no process stays behind."""
    with serving(own, tmp_path / "log", "--workers", "2", TURNOUT_STATE_DIR=str(tmp_path / "s")) as server:
        until(lambda: len(workers(server)) == 2)
        alive = workers(server)
        with OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
            stream = streamed(client, 20_000)
            server.process.send_signal(signal.SIGTERM)
            assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "stop"
        assert server.process.wait(PATIENCE_S) in ENDS[signal.SIGTERM]
        assert server.get("/healthz")[0] == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in alive)


def test_without_their_supervisor_they_end(own: Path, tmp_path: Path) -> None:
    """After kill -9 of it nobody would start another, nor end them."""
    with serving(own, tmp_path / "log", TURNOUT_WORKERS="2", TURNOUT_STATE_DIR=str(tmp_path / "s")) as server:
        until(lambda: len(workers(server)) == 2)
        alive = workers(server)
        server.process.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in alive))


def test_sighup_reads_the_files(own: Path, tmp_path: Path) -> None:
    """All workers take up what has changed, without looks by the clock."""
    env = {"TURNOUT_WORKERS": "2", "TURNOUT_RELOAD_INTERVAL": "0", "TURNOUT_STATE_DIR": str(tmp_path / "s")}
    with serving(own, tmp_path / "log", **env) as server:
        until(lambda: total(scraped(server), "turnout_build_info") == 1 and len(workers(server)) == 2)
        until(lambda: total(scraped(server), "process_resident_memory_bytes") > 150e6)
        path = own / "default.yaml"
        path.write_text(path.read_text().replace("\nretries: 1", "\nretries: 0", 1))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.said().count("policies and catalog read again") == 2)


def test_what_is_wrong_is_told_once(own: Path, tmp_path: Path) -> None:
    """A bad file or a taken port is one sentence and status 2, as with one process."""
    env = {"TURNOUT_WORKERS": "3", "TURNOUT_STATE_DIR": str(tmp_path / "s")}
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = turnout("serve", "--policies", str(own), "--port", str(port), **env)
    assert (done.returncode, done.stderr.count("cannot be bound: Address already in use")) == (2, 1)
    (own / "default.yaml").write_text("retries: many\n")
    done = turnout("serve", "--policies", str(own), "--port", str(port), **env)
    assert (done.returncode, done.stderr.count("turnout: ")) == (2, 1)


def test_sockets_of_the_same_port() -> None:
    """Each worker has its own, at one port, and another server does not get in among them."""
    socks = bind_for_each(Settings(port=0, workers=3))
    with closing(socks[0][0]), closing(socks[1][0]), closing(socks[2][0]):
        assert len({each.getsockname() for (each,) in socks}) == 1
        socks[0][0].listen()
        with pytest.raises(ConfigError, match="cannot be bound"):
            bind_for_each(Settings(port=socks[0][0].getsockname()[1], workers=2))
        with pytest.raises(ConfigError, match="cannot be bound"):
            bind("127.0.0.1", socks[0][0].getsockname()[1])


def test_the_supervisor_is_small() -> None:
    """It loads nothing that serves."""
    heavy = {"fastapi", "numpy", "uvicorn", "pydantic", "prometheus_client", "rich", "redis", "router.app"}
    code = f"import sys, router.cli.fleet\nprint(*sorted({heavy} & sys.modules.keys()), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == ""
