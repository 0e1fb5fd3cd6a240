"""Policies: the five shipped ones, what a file may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import catalog, policy, yaml_file
from router.beliefs import Beliefs
from router.errors import ConfigError
from router.hints import Hints
from router.plan import Situation, decide
from router.policy import Policy
from router.settings import shipped_dir
from router.step import Facts
from router.terms import Target, classify, resolve

NAMES = ("default", "cost-first", "accuracy-first", "latency-first", "apache-only")
MATCHES = {p: policy.load(shipped_dir() / f"{p}.yaml") for p in NAMES}


def test_all_five_are_shipped() -> None:
    """A wheel carries the catalog and these policies and nothing else."""
    assert {p.name for p in shipped_dir().glob("*.yaml")} == {"models.yaml", *(f"{n}.yaml" for n in NAMES)}


@pytest.mark.parametrize("name", NAMES)
def test_checks_are_not_believed_more_than_they_deserve(name: str) -> None:
    """Format checks pass at least nine of ten wrong answers; only the caller's own test is perfect."""
    shipped = MATCHES[name]
    for rates in (shipped.rates, *(c.rates for c in shipped.classes)):
        for check, rate in rates.items():
            if check == "caller":
                assert (rate.t, rate.f) == (1.0, 0.0)
            else:
                assert rate.f >= 0.9
                assert rate.t >= 0.98
    assert set(shipped.rates) == {"schema", "tools", "length", "nonempty", "refusal", "caller"}


@pytest.mark.parametrize("name", NAMES)
def test_each_sorts_steps_alike(name: str) -> None:
    """One set of classes with the same rules and lengths, so that what one policy's outcomes teach serves all."""
    first, shipped = MATCHES["default"], MATCHES[name]
    assert [(c.name, c.match, c.output) for c in shipped.classes] == [
        (c.name, c.match, c.output) for c in first.classes
    ]
    assert all((c.sigma, c.tau) == (1.5, 1.0) for c in shipped.classes)
    assert set(shipped.prefer) == {"cost", "speed", "accuracy"}
    assert shipped.is_alias("gpt-5-mini") and shipped.is_alias("claude-sonnet-4-5") and shipped.is_alias("default")
    assert not shipped.is_alias("my-gpt-5") and not shipped.is_alias("auto")


IMAGE = ((640, 480),)
CLASSED: list[tuple[str, Facts, Hints]] = [
    ("chat", Facts(), Hints()),
    ("chat", Facts(code=0.2), Hints(step="no such class")),
    ("vision", Facts(images=IMAGE, tools=3, code=0.9), Hints()),
    ("long_context", Facts(input_bytes=700_000, tools=3), Hints()),
    ("code", Facts(code=0.5, tools=3), Hints()),
    ("tool_use", Facts(tools=1, schema=True), Hints()),
    ("reasoning", Facts(thinking="on", schema=True), Hints()),
    ("reasoning", Facts(thinking="low"), Hints()),
    ("structured", Facts(schema=True, non_latin=0.9), Hints()),
    ("chat", Facts(thinking="off"), Hints()),
    ("multilingual", Facts(non_latin=0.8, max_tokens=30_000), Hints()),
    ("long_output", Facts(max_tokens=30_000), Hints()),
    ("long_output", Facts(), Hints(output_tokens=20_000)),
    ("chat", Facts(max_tokens=30_000), Hints(output_tokens=300)),
    ("hard", Facts(images=IMAGE), Hints(step="planning")),
    ("science", Facts(), Hints(step="math")),
    ("knowledge", Facts(tools=2), Hints(step="lookup")),
    ("hard", Facts(), Hints(step="hard")),
    ("chat", Facts(images=IMAGE, code=1.0), Hints(step="chat")),
]


@pytest.mark.parametrize(("expected", "facts", "hints"), CLASSED)
def test_the_class_of_a_step(expected: str, facts: Facts, hints: Hints) -> None:
    """The caller's word first, then the first class whose rules hold; the last takes the rest."""
    assert classify(MATCHES["default"], facts, hints).name == expected


def test_what_each_policy_is_for() -> None:
    """One line of difference each: what a wrong result costs, what a second costs, what may be used."""
    assert MATCHES["cost-first"].objective.failure_cost is None
    assert all(c.failure_cost is None and c.accuracy is None for c in MATCHES["cost-first"].classes)
    default = MATCHES["default"].objective
    assert MATCHES["accuracy-first"].objective.failure_cost == 1.0 > (default.failure_cost or 0)
    assert (MATCHES["accuracy-first"].hold, MATCHES["accuracy-first"].retries) == ("auto", 3)
    assert MATCHES["latency-first"].objective.time_value >= 10 * default.time_value
    assert MATCHES["latency-first"].deadline < MATCHES["default"].deadline
    assert MATCHES["apache-only"].constraints.license == {"Apache-2.0"}
    same = MATCHES["apache-only"].model_copy(update={"constraints": MATCHES["default"].constraints})
    assert same.model_dump(exclude={"name", "description"}) == MATCHES["default"].model_dump(
        exclude={"name", "description"}
    )
    assert all(MATCHES[n].constraints == policy.Constraints() for n in NAMES if n != "apache-only")


def test_required_accuracies_can_be_met_by_one_attempt() -> None:
    """What accuracy-first asks of a class is below the best published score of it."""
    models = catalog.load(shipped_dir() / "models.yaml")
    for step_class in MATCHES["accuracy-first"].classes:
        benchmark = models.classes.get(step_class.name)
        best = max(
            (s.percent for m in models.models.values() for s in m.scores if s.benchmark == benchmark), default=None
        )
        if step_class.accuracy is not None:
            assert best is not None and best - 6 < 100 * step_class.accuracy < best


FIRST: list[tuple[str, Facts, str]] = [
    ("default", Facts(input_bytes=4_000), "nemotron-3-super/low"),
    ("default", Facts(code=0.6, tools=4, input_bytes=32_000), "nemotron-3-super/on"),
    ("cost-first", Facts(code=0.6, tools=4, input_bytes=32_000), "nemotron-3-super/low"),
    ("latency-first", Facts(code=0.6, tools=4, input_bytes=32_000), "nemotron-3-super/off"),
    ("accuracy-first", Facts(code=0.6, tools=4, input_bytes=32_000), "qwen3.5-397b/on"),
    ("accuracy-first", Facts(input_bytes=4_000), "qwen3.5-397b/on"),
    ("accuracy-first", Facts(tools=4, input_bytes=4_000), "nemotron-3-super/on"),
    ("apache-only", Facts(tools=4, input_bytes=4_000), "qwen3.5-122b/off"),
    ("default", Facts(images=IMAGE, input_bytes=4_000), "qwen3.5-122b/off"),
    ("default", Facts(input_bytes=2_400_000), "nemotron-3-super/low"),
    ("cost-first", Facts(max_tokens=30_000, input_bytes=4_000), "nemotron-3-super/on"),
]


@pytest.mark.parametrize(("name", "facts", "arm"), FIRST)
def test_where_each_policy_sends_a_step_first(name: str, facts: Facts, arm: str) -> None:
    """The shipped numbers together, before anything is learned: what docs/policies.md says of them."""
    models = catalog.load(shipped_dir() / "models.yaml")
    terms = resolve(Target(MATCHES[name]), facts, Hints())
    assert decide(facts, terms, Beliefs.prior(models), models, Situation()).chosen.arms[0] == arm


GOOD = """\
name: mine
objective: {accuracy: 0.8, failure_cost: 1, time_value: 0.001, confidence: 0.5}
prefer: {cost: {failure_cost: 0.01}}
constraints: {models: [a, b/off], license: [MIT, derive], runtime: [cuda], regions: [eu], max_cost: 1, deadline: 60}
retries: 1
verify: [schema, tools]
rates: {schema: {t: 1, f: 0.9}, caller: {t: 1, f: 0}}
hold: auto
deadline: 600
aliases: [gpt-*]
thinking: [on, off]
classes:
  - name: code
    match: {min_code: 0.5, tools: true, schema: false}
    accuracy: 0.7
    verify: caller
    output: {q50: 100, q90: 200}
  - name: rest
"""


def load(folder: Path, text: str, name: str = "mine") -> Policy:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return policy.load(path)


def test_every_key_can_be_said(tmp_path: Path) -> None:
    """A file with everything in it is read as written."""
    read = load(tmp_path, GOOD)
    assert read.constraints.models == {"a", "b/off"}
    assert read.thinking == {"on", "off"}
    assert read.by_name["code"].match == policy.Match(min_code=0.5, tools=True, schema=False)
    assert read.by_name["code"].verify == "caller"
    assert read.by_name["rest"].match is None


BAD: list[tuple[str, str, str, int, str]] = [
    (
        "a name that is a path",
        "name: mine",
        "name: ../../etc/passwd",
        1,
        "name: '../../etc/passwd' is not a policy name",
    ),
    ("a name that is absolute", "name: mine", "name: /etc/passwd", 1, "name: '/etc/passwd' is not a policy name"),
    ("a name with a line break", "name: mine", 'name: "mine\\n"', 1, "name: 'mine\\n' is not a policy name"),
    ("a name with capitals", "name: mine", "name: Mine", 1, "name: 'Mine' is not a policy name"),
    ("a name of 65", "name: mine", f"name: {'m' * 65}", 1, "is not a policy name"),
    ("another name than the file's", "name: mine", "name: yours", 1, "name: is 'yours' but the file is called 'mine'"),
    ("a class twice", "name: rest", "name: code", 18, "classes.1.name: 'code' is written twice"),
    (
        "a match on the last class",
        "- name: rest",
        "- {name: rest, match: {tools: true}}",
        18,
        "classes.1.match: the last class takes what",
    ),
    ("a class name with a slash", "name: rest", "name: a/b", 18, "classes.1.name: 'a/b' is not a class name"),
    ("an unknown key", "deadline: 600", "dead_line: 600", 9, "dead_line: there is no such key here"),
    ("an unknown rule", "min_code: 0.5", "min_length: 5", 14, "classes.0.match.min_length: there is no such key here"),
    ("an accuracy of 1", "accuracy: 0.7", "accuracy: 1", 15, "classes.0.accuracy: Input should be less than 1"),
    ("an accuracy in percent", "accuracy: 0.8", "accuracy: 80", 2, "objective.accuracy: Input should be less than 1"),
    (
        "an accuracy that is NaN",
        "accuracy: 0.8",
        "accuracy: .nan",
        2,
        "objective.accuracy: Input should be a finite number",
    ),
    (
        "a negative cost",
        "failure_cost: 1,",
        "failure_cost: -1,",
        2,
        "objective.failure_cost: Input should be greater than or equal",
    ),
    ("a negative limit", "max_cost: 1", "max_cost: -1", 4, "constraints.max_cost: Input should be greater than 0"),
    ("too many retries", "retries: 1", "retries: 4", 5, "retries: Input should be less than 4"),
    ("retries that are true", "retries: 1", "retries: true", 5, "retries: must not be true or false"),
    ("retries that are half", "retries: 1", "retries: 0.5", 5, "retries: Input should be a valid integer"),
    ("an unknown check", "verify: [schema, tools]", "verify: [vibes]", 6, "verify"),
    ("a rate above 1", "f: 0.9", "f: 1.1", 7, "rates.schema.f: Input should be less than or equal to 1"),
    ("a check that never accepts", "t: 1, f: 0.9", "t: 0, f: 0.9", 7, "rates.schema.t: Input should be greater than 0"),
    ("a rate of an unknown check", "caller: {t", "vibes: {t", 7, "rates.vibes"),
    ("a hold that is none", "hold: auto", "hold: sometimes", 8, "hold: Input should be 'never', 'auto' or 'always'"),
    (
        "a deadline of a day",
        "deadline: 600",
        "deadline: 86400",
        9,
        "deadline: Input should be less than or equal to 3600",
    ),
    ("an unknown mode", "thinking: [on, off]", "thinking: [loud]", 11, "thinking"),
    ("an unknown preference", "prefer: {cost", "prefer: {beauty", 3, "prefer.beauty"),
    ("quantiles in the wrong order", "q90: 200", "q90: 50", 17, "classes.0.output: q90 must be above q50"),
    (
        "a share above 1",
        "min_code: 0.5",
        "min_code: 50",
        14,
        "classes.0.match.min_code: Input should be less than or equal to 1",
    ),
    (
        "a word for truth",
        "tools: true",
        "tools: sometimes",
        14,
        "classes.0.match.tools: Input should be a valid boolean",
    ),
    ("no classes", GOOD[GOOD.index("classes:") :], "classes: []\n", 12, "classes: Tuple should have at least 1 item"),
    (
        "21 classes",
        "  - name: rest\n",
        "".join(f"  - name: c{i}\n" for i in range(20)),
        12,
        "classes: Tuple should have at most 20 items",
    ),
    ("no name", "name: mine\n", "", 1, "name: Field required"),
    ("a version to come", "name: mine", "name: mine\nversion: 2", 2, "version: Input should be 1"),
    ("aliases that are one word", "aliases: [gpt-*]", "aliases: gpt-*", 10, "aliases: Input should be a valid tuple"),
    ("a list at the top", GOOD, "- name: mine\n", 1, "must be a mapping of keys to values"),
]


@pytest.mark.parametrize(("old", "new", "line", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    """One change to a good file, one message that names file, line and place."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path and the system's reason."""
    with pytest.raises(ConfigError, match="No such file"):
        policy.load(tmp_path / "absent.yaml")


def test_every_key_is_documented() -> None:
    """docs/policies.md names each key of the file and each shipped policy and class."""
    docs = (Path(__file__).parent.parent / "docs" / "policies.md").read_text(encoding="utf-8")
    types = [
        t
        for t in vars(policy).values()
        if isinstance(t, type) and issubclass(t, yaml_file.Strict) and t is not yaml_file.Strict
    ]
    keys = {field.alias or key for t in types for key, field in t.model_fields.items()}
    wanted = sorted(keys | set(NAMES) | set(MATCHES["default"].by_name))
    assert [key for key in wanted if f"`{key}`" not in docs] == []


def test_the_documented_example_works(tmp_path: Path) -> None:
    """The policy in docs/policies.md can be used as it stands there."""
    docs = (Path(__file__).parent.parent / "docs" / "policies.md").read_text(encoding="utf-8")
    example = docs.split("```yaml\n")[1].split("```")[0]
    assert load(tmp_path, example, "review-eu").constraints.regions == {"eu"}
