"""Tasks: posed, solved from the prompt alone, and checked from outside."""

from __future__ import annotations

import json

import pytest

from router.simulate import png, tasks
from router.simulate.kinds import KEY, KINDS, Seen, depot_log, stock
from router.simulate.schema import instance


@pytest.mark.parametrize(
    ("step_class", "question", "answer"),
    [
        ("code", "def total(n):\n    return n * 7 + MISSING\n assert total(12) == 131", "47"),
        (
            "reasoning",
            "A depot holds 30 crates of 20 parts each. After 7 parts are scrapped?",
            "593",
        ),
        ("science", "A body moves at 3 m/s for 10 s and then at 5 m/s for 4 s.", "50"),
        ("hard", "Start at 2. Multiply by 3, add 1, remainder on division by 10; after 2 rounds?", "2"),
        ("knowledge", "Foundings: Arda in 1200, Holm in 1777. In which year was Holm founded?", "1777"),
        ("multilingual", "仓库有 12 箱，每箱 10 个零件，缺少 5 个。一共有多少个零件？", "115"),
        ("structured", "Mira Okafor orders 3 pieces of bolt at 40 cents each.", None),
    ],
)
def test_questions_are_solved_by_their_arithmetic(step_class: str, question: str, answer: str | None) -> None:
    """Answers worked out by hand."""
    found = tasks.solve(step_class, question, Seen())
    if answer is None:
        assert json.loads(found) == {"customer": "Mira Okafor", "item": "bolt", "quantity": 3, "total_cents": 120}
    else:
        assert found == answer


@pytest.mark.parametrize("step_class", KINDS)
def test_every_task_can_be_solved_and_mistakes_are_seen(step_class: str) -> None:
    """The right answer is accepted, a plausible mistake is not, whatever stands before the answer."""
    for number in range(100):
        task = tasks.make(step_class, number, 7)
        wrong = tasks.mistake(task.answer, number)
        if step_class == "structured":
            assert tasks.correct(task, task.answer)
            assert not tasks.correct(task, wrong)
            assert json.loads(wrong).keys() == json.loads(task.answer).keys()
        else:
            assert tasks.correct(task, f"ANSWER: 0\nNo, I was wrong.\nANSWER: {task.answer}")
            assert not tasks.correct(task, f"ANSWER: {wrong}")
        assert not tasks.correct(task, None)
        assert not tasks.correct(task, task.answer[:-1])


def test_tasks_only_depend_on_class_number_and_seed() -> None:
    """The same three give the same task; another seed gives another."""
    assert tasks.make("code", 3, 7) == tasks.make("code", 3, 7)
    assert [tasks.make("code", i, 7) for i in range(5)] != [tasks.make("code", i, 8) for i in range(5)]


def test_what_is_not_in_the_prompt_cannot_be_solved() -> None:
    """Questions of the wrong kind, without their picture, or before the tool was asked, raise ValueError."""
    looked_up = tasks.make("tool_use", 1, 7)
    cases = [
        ("code", "no numbers here"),
        ("hard", "Start at 1, 2, 3, 0, 5"),
        ("knowledge", "When?"),
        ("structured", "Nothing is ordered"),
        ("vision", "What colour?"),
        ("tool_use", looked_up.question),
        ("gardening", "Which flower?"),
    ]
    for step_class, question in cases:
        with pytest.raises(ValueError, match=r"."):
            tasks.solve(step_class, question, Seen())
    assert looked_up.answer == str(sum(stock(key) for key in KEY.findall(looked_up.question)))


def test_mistaken_keys_are_still_keys() -> None:
    """A wrong tool argument keeps the pattern that the tool's schema asks for."""
    for number in range(1000):
        key = f"KX-{number:03d}"
        wrong = tasks.mistake(key, number)
        assert wrong != key
        assert KEY.fullmatch(wrong)
    assert tasks.mistake("no number", 1) == "none of these"


def test_pictures_can_be_read_back() -> None:
    """Every colour and size that is painted is seen; anything else is refused."""
    for colour in png.COLOURS:
        url = png.as_url(png.paint(colour, 33, 17))
        assert png.look(png.from_url(url)) == (colour, 33, 17)
    broken = png.paint("red", 2, 2)
    for file in (b"", b"GIF89a", broken[:40], broken[:45] + b"\xff" * 20, broken.replace(b"IHDR", b"IHDX")):
        with pytest.raises(ValueError, match="not a (PNG|colour)"):
            png.look(file)
    for url in ("https://example.com/a.png", "data:image/png;base64,???"):
        with pytest.raises(ValueError, match="not"):
            png.from_url(url)


def test_the_depot_log_holds_every_code() -> None:
    """A long context is about as long as asked and has the answer of any depot in it."""
    log = depot_log(200_000)
    assert 180_000 < len(log) <= 200_000
    task = tasks.make("long_context", 1, 7)
    depot = task.question.split("depot ")[1].split(",")[0]
    assert f"The access code of depot {depot} is {task.answer}." in log


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a", "b"]},
            {"a": 3, "b": {}},
        ),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 5}, 5),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["string", "null"], "minLength": 6}, "textxx"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, 1),
        ({"$ref": "#/nowhere"}, None),
        (True, None),
    ],
)
def test_schemas_get_a_value(schema: object, value: object) -> None:
    """A small value that meets the schema, deterministically."""
    assert instance(schema, schema) == value


def test_endless_schemas_end() -> None:
    """A schema that refers to itself stops at a fixed depth."""
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert "next" in instance(schema, schema)
