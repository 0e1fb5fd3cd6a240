"""Thinking on its way to the caller and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.responses import thought


@given(st.text(st.characters()))
def test_what_is_sealed_comes_back(text: str) -> None:
    """Any text, lone surrogates included, as plain ASCII."""
    sealed = thought.seal(text)
    assert sealed.isascii() and thought.unseal(sealed) == text


@pytest.mark.parametrize("text", ["", "gAAAAABo", "turnout1.x", "turnout1.\u00fc", f"{thought.PREFIX}_w=="])
def test_what_others_sealed_is_not_read(text: str) -> None:
    """Nor what was broken on the way."""
    assert thought.unseal(text) is None
