"""What a line of the journal holds, what it never holds, and that it comes back as it went."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from router.hints import NONE, Hints
from router.journal import records
from router.journal.records import PLANS, OutcomeRecord, VerdictRecord, decode, encode, of_outcome, of_verdict
from router.outcome import Attempt, CheckResult
from router.step import Facts
from tests.journal.made import ANSWERED, CATALOG, DECISION, REJECTED, line, outcome, plain, said, verdict
from tests.plan.small import FACTS, Q122, Q397, N, choose


def test_a_record_tells_the_whole_step() -> None:
    """Who asked for what, what was believed of each arm, what was chosen with which probability, and what came."""
    found = of_outcome(outcome(started_at=1_000.5), plans=True)
    assert (found.at, found.seconds, found.decision_id, found.run_id, found.step_id) == (
        1_003.5,
        3.0,
        "dec_0",
        "run",
        "step",
    )
    assert (found.key_id, found.policy, found.policy_version, found.beliefs_version) == (
        "key-hash",
        "p",
        "0123456789ab",
        0,
    )
    assert found.facts == FACTS and found.attempts == (REJECTED, ANSWERED)
    assert found.asked is not None and (found.asked.accuracy, found.asked.verify) == (0.9, "caller")
    assert {o.arm for o in found.offers} == {N, Q122, Q397}
    assert found.chosen is not None and found.chosen.arms == DECISION.chosen.arms
    assert found.chosen.p == pytest.approx(DECISION.chosen.p_success, abs=1e-6)
    assert (found.propensity, found.why, found.accuracy_met) == (1.0, "accuracy", True)
    assert found.cost_usd == pytest.approx(0.005)


def test_predictions_are_those_of_the_decision() -> None:
    """Each arm's P, cost, seconds and length, as they stood before anything ran."""
    offers = {o.arm: o for o in of_outcome(outcome(), plans=False).offers}
    for arm, options in DECISION.options.items():
        first, offer = options[0], offers[arm]
        assert offer.deployment == first.deployment.name
        assert offer.p == pytest.approx(first.p, abs=1e-6) and offer.cost == pytest.approx(first.cost, abs=1e-9)
        assert offer.seconds == pytest.approx(first.seconds, abs=1e-4)
        assert (offer.output_q50, offer.output_q90) == pytest.approx((first.output_q50, first.output_q90), abs=0.1)


def test_plans_are_the_frontier_or_none() -> None:
    """Cheapest first, with both its ends, and the chosen one is told apart; without the search there are none."""
    found = of_outcome(outcome(), plans=True)
    assert found.plans is not None and 1 < len(found.plans) <= PLANS
    costs = [p.cost for p in found.plans]
    assert costs == sorted(costs) and found.plans[0].arms == DECISION.frontier[0].arms
    assert found.plans[-1].arms == DECISION.frontier[-1].arms
    assert of_outcome(outcome(), plans=False).plans is None


def test_many_plans_become_few() -> None:
    """Of a long frontier, PLANS evenly spread."""
    assert records._few(tuple(range(PLANS))) == tuple(range(PLANS))
    few = records._few(tuple(range(50)))
    assert len(few) == PLANS and few[0] == 0 and few[-1] == 49 and few == tuple(sorted(set(few)))


@pytest.mark.parametrize("case", [outcome(), plain(1), outcome(2, text="Say hello.", hints=NONE, again=True)])
def test_a_record_comes_back_as_it_went(case: object) -> None:
    """Through one line of JSON, ended by the only line break in it."""
    record = of_outcome(case, plans=True)  # type: ignore[arg-type]
    text = encode(record)
    assert text.endswith(b"\n") and text.count(b"\n") == 1
    back = decode(text)
    assert isinstance(back, OutcomeRecord)
    assert json.loads(encode(back)) == json.loads(text)
    assert msgspec.structs.replace(back, hints={}) == msgspec.structs.replace(record, hints={})


def test_a_line_names_its_version_and_kind() -> None:
    """So that readers of other versions know what they have."""
    for text, kind in ((line(1), "outcome"), (said(1), "verdict")):
        found = json.loads(text)
        assert (found["v"], found["kind"]) == (1, kind)


def test_only_given_hints_are_kept() -> None:
    """And ids only in fields of their own."""
    found = json.loads(encode(of_outcome(outcome(), plans=False)))
    assert found["hints"] == {"accuracy": 0.9, "models": [["n", "q122"]]}
    assert json.loads(line(1))["hints"] == {}
    hints = Hints(license=(frozenset({"MIT", "Apache-2.0"}),), verify=frozenset({"tools", "schema"}))
    kept = json.loads(encode(of_outcome(outcome(hints=hints), plans=False)))["hints"]
    assert kept == {"license": [["Apache-2.0", "MIT"]], "verify": ["schema", "tools"]}


def test_no_key_and_no_address_is_in_a_record() -> None:
    """A decision holds deployments with their addresses and names of keys; a record holds their names alone."""
    text = encode(of_outcome(outcome(), plans=True))
    assert b"base_url" not in text and b"127.0.0.1" not in text and b"api_key" not in text
    assert json.loads(text)["text"] is None


def test_words_are_kept_only_with_the_text() -> None:
    """Neither as text nor as hashes, in which guessed words could be looked for, unless the settings ask for text; a
    new fact that holds text must be thought of here."""
    texts = {f for f in Facts.__struct_fields__ if isinstance(getattr(Facts(), f), str | bytes)}
    assert texts == {"text"}
    for kept in (None, "Say hello."):
        step = outcome(facts=Facts(turn=1, text=b"hashes"), text=kept)
        back = decode(encode(of_outcome(step, plans=False)))
        assert isinstance(back, OutcomeRecord)
        assert back.facts == Facts(turn=1, text=b"hashes" if kept else b"") and back.text == kept


def test_gates_are_told_by_kind() -> None:
    """What kept an arm from the step."""
    shut = choose(CATALOG, models=(frozenset({N, Q122}),))
    found = of_outcome(outcome(decision=shut), plans=False)
    assert [(g.arm, g.deployment, g.kind) for g in found.gates] == [(Q397, None, "allow-list")]
    assert {o.arm for o in found.offers} == {N, Q122}


def test_a_step_without_a_decision_is_a_record_too() -> None:
    """A request that was refused has neither plan nor offers."""
    found = of_outcome(
        plain(1, result="error", status=400, error="unknown_hint", policy="", step_class="none"), plans=True
    )
    assert (found.chosen, found.offers, found.plans, found.propensity, found.beliefs_version) == (
        None,
        (),
        None,
        None,
        None,
    )
    assert (found.status, found.error) == (400, "unknown_hint")


def test_a_verdict_is_a_record() -> None:
    """What was said, by whom and when; a long reason is cut."""
    found = of_verdict(verdict(3, 0.25, reason="x" * 9_000))
    assert isinstance(decode(encode(found)), VerdictRecord)
    assert (found.decision_id, found.success, found.source, found.at) == ("dec_3", 0.25, "caller", 2_000.0)
    assert found.reason is not None and len(found.reason) == 500
    assert of_verdict(verdict()).reason is None


UNREADABLE = [
    b"",
    b"\n",
    b"{}",
    b"null",
    b'{"kind":"outcome"}',
    b'{"v":1,"kind":"weather","at":1}',
    b"\x00\x00\x00\x00",
    b"\xff\xfe",
    line(1)[:-40],
    line(1)[30:],
    line(1).replace(b'"v":1', b'"v":2'),
    said(1).replace(b'"success":1.0', b'"success":"yes"'),
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    """Torn lines, other kinds, other versions, wrong types: one error, for the reader to count."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(text)


def test_a_field_of_a_later_time_is_passed_over() -> None:
    """New fields do not change the version."""
    more = line(1).replace(b'"v":1', b'"v":1,"weather":"fair"')
    assert decode(more) == decode(line(1))


FIRST = (
    b'{"v":1,"kind":"outcome","at":3.5,"decision_id":"d","result":"accepted","status":200,"seconds":1,"overhead_s":0.001,'
    b'"cost_usd":0,"facts":{"turn":2},"attempts":[{"arm":"a","model":"m","deployment":"main","position":0,"started":0,'
    b'"seconds":1}],"step_class":"code"}'
)
"""An outcome with no more than the fields that every record of version 1 has."""


def test_an_early_record_can_still_be_read() -> None:
    """Fields that came later have what stands for unknown."""
    found = decode(FIRST)
    assert isinstance(found, OutcomeRecord) and found.facts == Facts(turn=2)
    assert (found.at, found.attempts[0].arm, found.propensity, found.offers) == (3.5, "a", None, ())


STRUCTS = (
    OutcomeRecord,
    VerdictRecord,
    records.Asked,
    records.Shut,
    records.Offer,
    records.Path,
    Facts,
    Attempt,
    CheckResult,
)


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_field_is_documented(struct: type[msgspec.Struct]) -> None:
    """In docs/journal.md, as code."""
    page = (Path(__file__).parents[2] / "docs" / "journal.md").read_text()
    shown = set(re.findall(r"`(\w+)`", page))
    assert set(struct.__struct_fields__) <= shown
