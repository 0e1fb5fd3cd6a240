"""The kinds of tasks: how each is posed, and how its answer follows from what the prompt holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from router.simulate import png
from router.simulate.draws import uniform

NUMBER = re.compile(r"(?<![A-Za-z0-9])-[0-9]+|[0-9]+")
KEY = re.compile(r"\b[A-Z]{2}-[0-9]{3}\b")


class Seen(NamedTuple):
    """What a request holds besides the question."""

    images: tuple[str, ...] = ()
    """Data URLs."""
    results: Mapping[str, int] = {}
    """Stock by key, from the tool's answers."""


class Kind(NamedTuple):
    pose: Callable[[Random], str]
    solve: Callable[[str, Seen], str]
    """Raises ValueError where the question is not of this kind."""


def stock(key: str) -> int:
    """What the tool says: the same number for the same key, always."""
    return 10 + int(uniform("stock", key) * 900)


def _numbers(question: str, count: int) -> list[int]:
    found = [int(n) for n in NUMBER.findall(question)][:count]
    if len(found) < count:
        raise ValueError("numbers are missing")
    return found


def _code(rng: Random) -> str:
    a, n, c = rng.randint(3, 19), rng.randint(4, 40), rng.randint(11, 99)
    return (
        "The test fails. Which number must replace MISSING so that it passes?\n"
        f"```python\ndef total(n):\n    return n * {a} + MISSING\n\n\n"
        f"def test_total():\n    assert total({n}) == {a * n + c}\n```"
    )


def _solve_code(question: str, _: Seen) -> str:
    a, n, total = _numbers(question, 3)
    return str(total - a * n)


def _arithmetic(text: str, size: int = 90) -> Callable[[Random], str]:
    """Poses `text` with three numbers a, b, c, of which c is less than a * b."""
    return lambda rng: text.format(a=rng.randint(10, size), b=rng.randint(10, size), c=rng.randint(2, 99))


def _solve_arithmetic(question: str, _: Seen) -> str:
    a, b, c = _numbers(question, 3)
    return str(a * b - c)


def _science(rng: Random) -> str:
    v, t, w, s = (rng.randint(3, 60) for _ in range(4))
    return f"A body moves at {v} m/s for {t} s and then at {w} m/s for {s} s. How many metres does it go?"


def _solve_science(question: str, _: Seen) -> str:
    v, t, w, s = _numbers(question, 4)
    return str(v * t + w * s)


def _hard(rng: Random) -> str:
    x, b, c, m, k = (
        rng.randint(2, 99),
        rng.randint(3, 99),
        rng.randint(2, 99),
        rng.randint(101, 997),
        rng.randint(20, 60),
    )
    return (
        f"Start at {x}. In each round multiply by {b}, add {c}, and keep the remainder on division by {m}. "
        f"What is left after {k} rounds?"
    )


def _solve_hard(question: str, _: Seen) -> str:
    x, b, c, m, k = _numbers(question, 5)
    if not (0 < m < 10_000 and 0 <= k < 10_000):
        raise ValueError("out of range")
    for _round in range(k):
        x = (x * b + c) % m
    return str(x)


def _knowledge(rng: Random) -> str:
    places = rng.sample(["Arda", "Belen", "Corvo", "Dunmere", "Esk", "Falun", "Garda", "Holm"], 5)
    facts = ", ".join(f"{place} in {rng.randint(1100, 1950)}" for place in places)
    return f"From the register of foundings: {facts}. In which year was {rng.choice(places)} founded?"


def _solve_knowledge(question: str, _: Seen) -> str:
    asked = re.search(r"was (\w+) founded", question)
    fact = re.search(rf"{asked[1]} in ([0-9]+)", question) if asked else None
    if fact is None:
        raise ValueError("no such place")
    return fact[1]


def _tool_use(rng: Random) -> str:
    keys = [f"{rng.choice('KLMP')}{rng.choice('XYZ')}-{rng.randint(0, 999):03d}" for _ in range(rng.choice((1, 1, 2)))]
    if len(set(keys)) == 2:
        return f"How many parts are there of {keys[0]} and {keys[1]} together? Look both up."
    return f"How many parts are there of {keys[0]}? Look it up."


def _solve_tool_use(question: str, seen: Seen) -> str:
    keys = dict.fromkeys(KEY.findall(question))
    if not keys or not keys.keys() <= seen.results.keys():
        raise ValueError("not looked up yet")
    return str(sum(seen.results[k] for k in keys))


def _structured(rng: Random) -> str:
    name = rng.choice(["Mira Okafor", "Jonas Weber", "Aiko Tanaka", "Lucia Rossi"])
    item = rng.choice(["bolt", "hinge", "valve", "gasket"])
    return f"{name} orders {rng.randint(2, 60)} pieces of {item} at {rng.randint(15, 990)} cents each."


def _solve_structured(question: str, _: Seen) -> str:
    found = re.search(r"(\w+ \w+) orders ([0-9]+) pieces of (\w+) at ([0-9]+) cents each", question)
    if found is None:
        raise ValueError("no order")
    quantity = int(found[2])
    order = {"customer": found[1], "item": found[3], "quantity": quantity, "total_cents": quantity * int(found[4])}
    return json.dumps(order)


def _solve_vision(_: str, seen: Seen) -> str:
    if not seen.images:
        raise ValueError("no picture")
    colour, width, _height = png.look(png.from_url(seen.images[-1]))
    return f"{colour} {width}"


def _multilingual(rng: Random) -> str:
    text = rng.choice(
        (
            "Ein Lager hat {a} Kisten mit je {b} Teilen, {c} Teile fehlen. Wie viele Teile sind da?",
            "仓库有 {a} 箱，每箱 {b} 个零件，缺少 {c} 个。一共有多少个零件？",
            "倉庫に {a} 箱あり、各箱に部品が {b} 個、{c} 個が不足しています。部品は全部で何個ですか。",
            "Un entrepôt a {a} caisses de {b} pièces chacune, {c} pièces manquent. Combien de pièces y a-t-il ?",
        )
    )
    return _arithmetic(text)(rng)


def _long_output(rng: Random) -> str:
    return (
        f"Write the migration of all {rng.randint(400, 900)} tables, each with {rng.randint(12, 40)} rows of seed "
        f"data, one statement a line; leave out {rng.randint(2, 99)} rows that are duplicates. End with how many rows "
        "there are in all."
    )


def _long_context(rng: Random) -> str:
    return f"What is the access code of depot {rng.randint(1, 40)}, as the log above has it?"


def depot_code(depot: int) -> int:
    return 1000 + int(uniform("depot", depot) * 9000)


def depot_log(size: int) -> str:
    """About `size` bytes of log, with the access code of every depot in it."""
    lines = [f"The access code of depot {d} is {depot_code(d)}." for d in range(1, 41)]
    filler = "The shift changed on time, and the count agreed with the books; nothing else was reported.\n"
    per_line = max(0, size - sum(map(len, lines))) // (len(lines) * len(filler))
    return "\n".join(f"{line}\n{filler * per_line}" for line in lines)


def _solve_long_context(question: str, _: Seen) -> str:
    # The log is written by rule, so the code follows from the depot; reading a megabyte again would only cost time.
    return str(depot_code(_numbers(question, 1)[0]))


KINDS: dict[str, Kind] = {
    "code": Kind(_code, _solve_code),
    "reasoning": Kind(
        _arithmetic("A depot holds {a} crates of {b} parts each. After {c} parts are scrapped, how many are left?"),
        _solve_arithmetic,
    ),
    "science": Kind(_science, _solve_science),
    "hard": Kind(_hard, _solve_hard),
    "knowledge": Kind(_knowledge, _solve_knowledge),
    "chat": Kind(
        _arithmetic("I have {a} boxes with {b} stickers each and gave {c} stickers away. How many do I have now?", 20),
        _solve_arithmetic,
    ),
    "tool_use": Kind(_tool_use, _solve_tool_use),
    "structured": Kind(_structured, _solve_structured),
    "vision": Kind(
        lambda _: "What colour is the picture, and how many pixels wide is it? Answer as `colour width`.", _solve_vision
    ),
    "multilingual": Kind(_multilingual, _solve_arithmetic),
    "long_output": Kind(_long_output, _solve_arithmetic),
    "long_context": Kind(_long_context, _solve_long_context),
}
