"""A judge for Turnout: runs pytest on the Python code of an answer.

    python judge.py --tests tests --port 9300

`POST /judge` takes what docs/judges.md describes. The step id names the tests: `add` means `tests/add.py`, which
imports the answer's code as `answer`. JUDGE_KEY, if set, must come as the bearer token.

This runs code that a model wrote. The limits below keep accidents small; they are no sandbox, and code that wants to
pass without being right can: it runs beside its tests. Run the judge in a container without network, as a user that
owns nothing.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CPU_S, WALL_S = 5, 20
MEMORY_BYTES, FILE_BYTES = 1 << 30, 1 << 20
BODY_BYTES = 16 << 20
AT_ONCE = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)
LIMITED = f"""
import resource, sys
for what, most in (
    (resource.RLIMIT_CPU, {CPU_S}), (resource.RLIMIT_AS, {MEMORY_BYTES}),
    (resource.RLIMIT_FSIZE, {FILE_BYTES}), (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(what, (most, most))
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def code(text: str) -> str:
    """The fenced blocks of an answer, or all of it where there are none."""
    return "\n".join(FENCED.findall(text)) or text


def run(source: str, tests: Path) -> tuple[bool, str]:
    """Whether the tests pass, and what came of them, in a folder and a process group that end with it."""
    with tempfile.TemporaryDirectory(prefix="judge-") as made:
        folder = Path(made)
        (folder / "answer.py").write_text(source, encoding="utf-8", errors="replace")
        shutil.copy(tests, folder / "test_answer.py")
        (folder / "pytest.ini").write_text("[pytest]\n")  # else pytest looks for one in the folders above
        command = [sys.executable, "-c", LIMITED, "-q", "-x", "-p", "no:cacheprovider", "--junitxml=report.xml"]
        process = subprocess.Popen(
            [*command, "test_answer.py"],
            cwd=folder,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": made,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(WALL_S)
        except subprocess.TimeoutExpired:
            return False, f"not done in {WALL_S} s"
        finally:
            stop(process)
        return verdict(folder / "report.xml", process.returncode)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def verdict(report: Path, returned: int) -> tuple[bool, str]:
    """By pytest's report and not its exit alone: code that exits by itself has passed nothing."""
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
    except (OSError, ElementTree.ParseError):
        return False, f"pytest did not finish (exit {returned})"
    if suite is None:
        return False, "pytest ran nothing"
    ran, failed = int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return returned == 0 and ran > 0 and not failed, f"{failed} of {ran} failed"


class Judge(BaseHTTPRequestHandler):
    tests: Path
    key: str

    def do_POST(self) -> None:
        """200 with a verdict; any other status is none, and Turnout lets the answer stand."""
        given = self.headers.get("authorization", "").encode()
        if self.key and not hmac.compare_digest(given, f"Bearer {self.key}".encode()):
            return self.say(401, {"error": "wrong key"})
        length = self.headers.get("content-length", "")
        if self.path != "/judge" or not length.isdigit() or int(length) > BODY_BYTES:
            return self.say(400, {"error": "POST /judge with a JSON body"})
        try:
            asked = json.loads(self.rfile.read(int(length)))
            name, texts = asked["step_id"], [c["message"]["content"] or "" for c in asked["choices"]]
        except (ValueError, KeyError, TypeError):
            return self.say(400, {"error": "not what Turnout sends"})
        tests = self.tests / f"{name}.py"
        if not isinstance(name, str) or not NAME.fullmatch(name) or not tests.is_file():
            return self.say(404, {"error": "no tests for this step_id"})
        with AT_ONCE:
            results = [run(code(text), tests) for text in texts]
        self.say(200, {"success": all(good for good, _ in results), "reason": "; ".join(why for _, why in results)})

    def say(self, status: int, what: dict[str, Any]) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description="Judges answers by pytest.")
    parser.add_argument("--tests", type=Path, default=Path(__file__).parent / "tests")
    parser.add_argument("--port", type=int, default=9300)
    given = parser.parse_args()
    Judge.tests, Judge.key = given.tests, os.environ.get("JUDGE_KEY", "")
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Judge)
    print(f"judging at http://127.0.0.1:{server.server_port}/judge by {given.tests}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
