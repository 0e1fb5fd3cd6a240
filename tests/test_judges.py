"""What a policy may say of a judge, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router import config, policy
from router.errors import ConfigError
from router.judges import Judge
from router.outcome import Attempt, CheckResult, Judging
from router.settings import Settings
from tests.proxy.yard import write_files

TEXT = """\
name: mine
judges:
  tests: {url: "http://127.0.0.1:9300/judge", seconds: 2}
rates: {tests: {t: 0.98, f: 0.1}}
verify: [schema, tests]
classes:
  - name: code
    verify: [tests]
    rates: {tests: {t: 0.9, f: 0.2}}
  - name: rest
"""


KEYED = {
    "judges": {"tests": {"url": "http://127.0.0.1:1/judge", "key_env": "JUDGE_KEY"}},
    "rates": {"tests": {"t": 1.0, "f": 0.1}},
}


def load(folder: Path, text: str) -> policy.Policy:
    path = folder / "mine.yaml"
    path.write_text(text)
    return policy.load(path)


def test_a_judge_is_a_check_among_others(tmp_path: Path) -> None:
    """Policy and class may name it, with rates of their own."""
    read = load(tmp_path, TEXT)
    assert read.verify == {"schema", "tests"} and read.by_name["code"].verify == {"tests"}
    assert read.judges["tests"].seconds == 2 and read.by_name["code"].rates["tests"].f == 0.2


WRONG = [
    ("tests: {url", "schema: {url", 3, "judges.schema: 'schema' cannot be a judge's name"),
    ("tests: {url", "Tests: {url", 3, "judges.Tests: 'Tests' cannot be"),
    ("tests: {url", "other: {url", 3, "judges.other: rates has to say how far other can be believed"),
    ("verify: [schema, tests]", "verify: [schema, test]", 5, "verify: there is no check 'test'; checks are: "),
    ("    verify: [tests]", "    verify: [vibes]", 8, "classes.0.verify: there is no check 'vibes'"),
    ("http://127", "http://me:secret@127", 3, "holds a user or password"),
    ("9300/judge", "9300/judge?key=1", 3, "holds a query or fragment"),
    ("http://127", "ftp://127", 3, "URL scheme should be 'http' or 'https'"),
    ("seconds: 2", "timeout: 0", 3, "judges.tests.timeout: Input should be greater than 0"),
]


@pytest.mark.parametrize(("old", "new", "line", "reason"), WRONG)
def test_a_bad_judge_is_refused_with_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    """As all of a policy is: by line, naming the field, never quoting a key."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, TEXT.replace(old, new, 1))
    assert caught.value.line == line and reason in str(caught.value)


PLACES: list[tuple[dict[str, Any], str, str]] = [
    ({"url": "http://localhost:9300/a/b"}, "http://localhost:9300", "/a/b"),
    ({"url": "https://judge.example"}, "https://judge.example:443", "/"),
    ({"url": "http://[::1]:8/x/"}, "http://[::1]:8", "/x/"),
]


@pytest.mark.parametrize(("given", "base", "path"), PLACES)
def test_where_a_judge_is_asked(given: dict[str, Any], base: str, path: str) -> None:
    """At the address as it stands."""
    judge = Judge(**given)
    assert judge.place.url in (base, base.removesuffix(":443")) and judge.path == path


@pytest.mark.parametrize("environment", [{}, {"JUDGE_KEY": " "}])
def test_a_key_that_is_not_set(tmp_path: Path, environment: dict[str, str]) -> None:
    """Is told when the policy is read: a judge that refuses every call would go unnoticed."""
    write_files(tmp_path, "http://127.0.0.1:1", {"cheap": "good"}, {"default": KEYED}, {})
    here = Settings(policies=tmp_path, environment=environment)
    with pytest.raises(ConfigError, match="judges.tests.key_env: JUDGE_KEY is not set"):
        config.load(here)
    assert config.load(here, without_keys=True).policies["default"].judges
    assert config.load(Settings(policies=tmp_path, environment={"JUDGE_KEY": "k"})).policies["default"].judges


YES, NO = CheckResult("nonempty", True), CheckResult("tests", False)
OPINIONS: list[tuple[tuple[CheckResult, ...], tuple[str, ...], bool | None]] = [
    ((), (), None),
    ((YES,), (), True),
    ((YES, NO), ("rejected",), False),
    ((YES,), ("timeout",), None),
    ((YES, NO), ("status", "rejected"), False),
    ((), ("invalid",), None),
]


@pytest.mark.parametrize(("checks", "judgings", "opinion"), OPINIONS)
def test_silence_is_no_opinion(
    checks: tuple[CheckResult, ...], judgings: tuple[str, ...], opinion: bool | None
) -> None:
    """What the set says is learned from only where every judge that could still reject has spoken."""
    said = tuple(Judging("tests", result, 0.1) for result in judgings)
    assert Attempt("a/off", "a", "d", 0, 0.0, 1.0, checks=checks, judgings=said).opinion is opinion


def test_a_key_has_a_variables_name() -> None:
    """A key itself, pasted in, is refused."""
    with pytest.raises(ValidationError):
        Judge(url="http://localhost/", key_env="sk-123")
