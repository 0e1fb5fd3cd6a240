"""What a model's licence grants."""

from __future__ import annotations

from typing import Literal, get_args

from router.yaml_file import Strict

Need = Literal["use", "redistribute", "derive", "no-attribution"]
NEEDS = frozenset(get_args(Need))


class License(Strict):
    name: str
    spdx: str | None = None
    """SPDX identifier, where the licence has one."""
    permits: frozenset[Need]
    """What a user may need and this licence grants; `no-attribution`: products need not name the model's maker."""
    url: str = ""
    note: str = ""

    def lacks(self, wanted: frozenset[str]) -> str | None:
        """Why it will not do: a need that it does not grant, or none of the SPDX ids asked for; None where it does."""
        if missing := (wanted & NEEDS) - self.permits:
            return f"{self.name} does not grant {', '.join(sorted(missing))}"
        ids = wanted - NEEDS
        if ids and (self.spdx or "").lower() not in {i.lower() for i in ids}:
            return f"licence is {self.spdx or self.name}; the step asks for {', '.join(sorted(ids))}"
        return None
