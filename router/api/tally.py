"""Input tokens of a request, whichever dialect it came in."""

from __future__ import annotations

from router import step
from router.config import Config
from router.terms import target
from router.wire import ask, chat


def tokens(body: bytes, config: Config) -> int:
    """Of a chat completion at the model it names, or at the one that needs most of them.

    Counted from bytes and corrected by what the model's servers reported before, as for decisions. Raises BadRequest,
    and NotFound for a model that there is not.
    """
    asked = chat.parse(body)
    name, _ = ask.read(asked, {})  # a hint that the step would be refused for is refused here
    wanted = target(name, config.policies, config.default, config.catalog)
    facts = step.facts(asked)
    names = {pinned.partition("/")[0] for pinned in wanted.pin} if wanted.pin else set(config.catalog.models)
    return max(config.beliefs.tokens.count(config.catalog.models[name], facts)[1] for name in names)
