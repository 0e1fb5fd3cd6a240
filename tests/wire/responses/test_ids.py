"""Names of responses and items."""

from __future__ import annotations

import pytest

from router.wire.responses import ids

TOKEN = "0123456789abcdef01234567"


def test_an_item_tells_its_response() -> None:
    """Whether it is of the output or of the input; names that nobody made here tell nothing."""
    name = ids.response(TOKEN)
    assert ids.RESPONSE.fullmatch(name)
    assert ids.response_of(ids.output("msg", name, 0)) == name
    assert ids.response_of(ids.given("rs", name, 12)) == name
    assert ids.is_given(ids.given("rs", name, 12)) and not ids.is_given(ids.output("msg", name, 0))
    assert not ids.is_given("msg_1")
    assert ids.output("msg", name, 1) != ids.given("msg", name, 1)


@pytest.mark.parametrize(
    "name", [None, "", "msg_1", f"msg_{TOKEN}", f"msg_{TOKEN}_", f"msg_{TOKEN}_1_1", f"x{TOKEN}_1"]
)
def test_other_names_are_nobodys(name: str | None) -> None:
    """A name that was made elsewhere leads nowhere."""
    assert ids.response_of(name) is None
