"""Files that people write: what is read, and how each mistake is told with its line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from router import yaml_file
from router.errors import ConfigError
from router.yaml_file import Misplaced, Strict


class Leaf(Strict):
    count: int = Field(default=0, ge=0)
    share: float = 0.5
    flag: bool = False
    either: bool | int = False
    word: str = ""
    day: dt.date | None = None
    extra: dict[str, Any] = {}


class Tree(Strict):
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = {}
    mode: str = "off"


def parse(text: str | bytes) -> Tree:
    return yaml_file.parse(text if isinstance(text, bytes) else text.encode(), "tree.yaml", Tree)


BOMB = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(8)
)

BAD: list[tuple[str, str | bytes, int | None, str]] = [
    ("empty", "", 1, "is empty"),
    ("only a comment", "# nothing\n", 1, "is empty"),
    ("null", "null\n", 1, "is empty"),
    ("a list at the top", "- a\n- b\n", 1, "must be a mapping"),
    ("a word at the top", "hello\n", 1, "must be a mapping"),
    ("unknown key", "mode: x\ncolour: red\n", 2, "colour: there is no such key here"),
    ("unknown key below", "leaves:\n  - count: 1\n  - count: 2\n    size: 3\n", 4, "leaves.1.size"),
    ("wrong type", "leaves:\n  - count: many\n", 2, "leaves.0.count: Input should be a valid integer"),
    ("a list where a word belongs", "mode: [a]\n", 1, "mode: Input should be a valid string"),
    ("a word where a list belongs", "mode: a\nleaves: oak\n", 2, "leaves: Input should be a valid tuple"),
    ("true for a number", "leaves:\n  - count: 1\n  - count: true\n", 3, "leaves.1.count: must not be true or false"),
    (
        "negative",
        "named:\n  oak:\n    word: x\n    count: -1\n",
        4,
        "named.oak.count: Input should be greater than or equal to 0",
    ),
    ("NaN", "named:\n  oak: {share: .nan}\n", 2, "named.oak.share: Input should be a finite number"),
    ("infinity", "named:\n  oak: {share: -.inf}\n", 2, "named.oak.share: Input should be a finite number"),
    ("a key twice", "mode: a\nleaves: []\nmode: b\n", 3, "the key 'mode' is written twice"),
    (
        "a key twice below",
        "named:\n  oak: {count: 1}\n  elm: {count: 1}\n  oak: {count: 2}\n",
        4,
        "the key 'oak' is written twice",
    ),
    ("tab indentation", "named:\n\toak:\n\t\tcount: 1\n", 2, "found character '\\t'"),
    ("unclosed bracket", "leaves: [\n", 2, "expected the node content"),
    ("colon in a plain word", "mode: a: b\n", 1, "mapping values are not allowed here"),
    ("two documents", "mode: a\n---\nmode: b\n", 2, "but found another document"),
    ("billion laughs", BOMB, 1, "anchors and aliases"),
    ("an alias to itself", "leaves: &a [*a]\n", 1, "anchors and aliases"),
    ("an alias of nothing", "mode: *nothing\n", 1, "anchors and aliases"),
    ("a merge", "named:\n  oak: &oak {count: 1}\n  elm: {<<: *oak}\n", 2, "anchors and aliases"),
    (
        "a Python object",
        "mode: !!python/object/apply:os.system ['true']\n",
        1,
        "could not determine a constructor for the tag",
    ),
    ("a Python name", "mode: a\nleaves: !!python/name:os.system\n", 2, "could not determine a constructor for the tag"),
    ("an own tag", "mode: !secret x\n", 1, "could not determine a constructor for the tag"),
    ("an impossible day", "mode: a\nleaves: [{day: 2026-02-30}]\n", 2, "day"),
    ("a number of 5,000 digits", "mode: a\nleaves: [{count: " + "9" * 5000 + "}]\n", 2, "4300 digits"),
    ("a list as a key", "? [a]\n: b\n", 1, "unhashable key"),
    ("a number as a key", "1: a\n", 1, "Keys should be strings"),
    ("not UTF-8", b"mode: a\nnamed: \xff\xfe\n", 2, "is not UTF-8"),
    ("UTF-16", "mode: a\n".encode("utf-16"), 1, "is not UTF-8"),
    ("a NUL", b"mode: a\nnamed: \x00\n", 2, "a character that a text file cannot hold: '\\x00'"),
    ("too deep", "extra: " + "[" * 3000, None, "is nested too deeply"),
    ("2 MB", "# " + "x" * 2_000_000 + "\nmode: a\n", None, "is over 1000000 bytes"),
]


@pytest.mark.parametrize(("text", "line", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_mistake_is_told_with_file_line_and_reason(text: str | bytes, line: int | None, reason: str) -> None:
    """Whatever is wrong, the message is one line: `file:line: reason`."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert (caught.value.path, caught.value.line) == ("tree.yaml", line)
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"tree.yaml:{line}: " if line else "tree.yaml: ")


def test_a_good_file_is_read_and_frozen() -> None:
    """Values come typed; nobody can change them later."""
    tree = parse("leaves:\n- {count: 2, share: 1, flag: true, either: true, day: 2026-03-11}\nnamed: {oak: {}}\n")
    leaf = tree.leaves[0]
    assert (leaf.count, leaf.share, leaf.flag, leaf.either, leaf.day) == (2, 1.0, True, True, dt.date(2026, 3, 11))
    with pytest.raises(ValueError, match="frozen"):
        tree.mode = "on"  # type: ignore[misc]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "OFF", "y", "n"])
def test_on_and_off_are_words(word: str) -> None:
    """The names of thinking modes are not truth values; only true and false are."""
    assert parse(f"mode: {word}\nnamed: {{oak: {{extra: {{{word}: {word}}}}}}}").named["oak"].extra == {word: word}


def test_crlf_and_a_byte_order_mark_are_fine() -> None:
    """Files saved by Windows editors are read as they are meant."""
    assert parse("\ufeffmode: a\r\nleaves:\r\n  - count: 3\r\n").leaves[0].count == 3


@pytest.mark.parametrize(("kind", "reason"), [("missing", "No such file"), ("directory", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str, reason: str) -> None:
    """The message names the path and the system's reason."""
    path = tmp_path if kind == "directory" else tmp_path / "absent.yaml"
    with pytest.raises(ConfigError, match=reason) as caught:
        yaml_file.read(path, Tree)
    assert caught.value.path == str(path)


def test_no_more_is_read_than_may_be_used() -> None:
    """A file without end is refused like any that is too long."""
    with pytest.raises(ConfigError, match="is over 1000000 bytes"):
        yaml_file.read(Path("/dev/zero"), Tree)


def test_a_validator_can_point_below_itself() -> None:
    """A rule over several entries names the entry that breaks it."""

    class Pair(Strict):
        leaves: tuple[Leaf, ...]

        def model_post_init(self, _: Any) -> None:
            raise Misplaced(("leaves", 1, "count"), "is the second")

    with pytest.raises(ConfigError) as caught:
        yaml_file.parse(b"leaves:\n  - count: 1\n  - word: x\n    count: 1\n", "pair.yaml", Pair)
    assert str(caught.value) == "pair.yaml:4: leaves.1.count: is the second"


def test_the_line_of_a_place() -> None:
    """The deepest part that the file has; the first line of an empty file."""
    raw = b"mode: a\nnamed:\n  oak:\n    count: 1\n"
    assert [yaml_file.line_of(raw, "t", loc) for loc in [("mode",), ("named", "oak", "count"), ("named", "elm")]] == [
        1,
        4,
        2,
    ]
    assert yaml_file.line_of(b"", "t", ("mode",)) == 1


TEXT = """\
# top
named:
  oak: {count: 1, share: 0.5} # flow
  elm: # block
    count: 2 # two
    word: "ü" # not ASCII
  # after elm
leaves:
  - count: 3
  # after the leaf
mode: a
"""

EDITS: list[tuple[str, dict[yaml_file.Loc, str], str, str]] = [
    ("in a flow mapping", {("named", "oak", "share"): "0.25"}, "share: 0.5}", "share: 0.25}"),
    ("in a block mapping", {("named", "elm", "count"): "20"}, "count: 2 # two", "count: 20 # two"),
    ("in a list", {("leaves", 0, "count"): "30"}, "- count: 3\n", "- count: 30\n"),
    ("a new key in a flow mapping", {("named", "oak", "word"): "x"}, "share: 0.5}", "share: 0.5, word: x}"),
    ("a new key in a block mapping", {("named", "elm", "share"): "1"}, '    word: "ü"', '    word: "ü"\n    share: 1'),
    ("a whole block", {("leaves",): "[]"}, "- count: 3\n  # after", "[]\n  # after"),
    ("a value at the end", {("mode",): "b"}, "mode: a", "mode: b"),
    ("nothing", {}, "mode: a", "mode: a"),
]


@pytest.mark.parametrize(("changes", "before", "after"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edit_changes_its_value_and_nothing_else(changes: dict[yaml_file.Loc, str], before: str, after: str) -> None:
    """Comments, order and spacing stay as the person wrote them."""
    assert before in TEXT
    assert yaml_file.edit(TEXT, changes) == TEXT.replace(before, after)


def test_several_edits_do_not_disturb_each_other() -> None:
    """Places are those of the text as it was."""
    text = yaml_file.edit(TEXT, {("mode",): "longer", ("named", "oak", "count"): "111", ("leaves", 0, "count"): "333"})
    assert text == TEXT.replace("mode: a", "mode: longer").replace("count: 1,", "count: 111,").replace(
        "count: 3", "count: 333"
    )


@pytest.mark.parametrize(
    "loc", [("no", "such"), ("leaves", 5), ("leaves", "x"), ("mode", "below"), ("named", "oak", "count", "x")]
)
def test_an_edit_of_nothing_is_an_error(loc: yaml_file.Loc) -> None:
    """A place that the file does not have cannot be changed."""
    with pytest.raises(KeyError):
        yaml_file.edit(TEXT, {loc: "1"})
