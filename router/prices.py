"""Proposes prices for the catalog from litellm's cost map, as an edit of the file; a person decides."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from router import yaml_file
from router.catalog import Catalog, Deployment, Prices

CostMap = Mapping[str, Mapping[str, Any]]
"""litellm's model id (`deepinfra/Qwen/Qwen3.5-122B-A10B`) → its entry, with USD per token."""

Status = Literal["same", "changed", "not found", "self-hosted"]

PROVIDER_SUFFIXES = ("", "_ai", "_nim", "_converse")
"""litellm's providers may be called a little more than their host: `together_ai`, `nvidia_nim`, `bedrock_converse`."""


class Proposal(msgspec.Struct, frozen=True):
    """What the cost map says of one deployment."""

    model: str
    deployment: str
    place: yaml_file.Loc
    """Where its prices stand in the catalog file."""
    status: Status
    current: Prices
    """USD per million tokens, as the file has them or as they follow from own hardware."""
    proposed: Prices | None = None
    """USD per million tokens by the cost map."""
    source: str = ""
    """The entry that was matched, or why there is none."""

    @property
    def note(self) -> str:
        """One line for a person: both prices, in/out in USD per million tokens, and where the second is from."""
        here = _pair(self.current)
        if self.proposed is None:
            return f"{here}  {self.status}: {self.source}"
        return f"{here}  {self.status} in {self.source}" + (
            f": {_pair(self.proposed)}" if self.status == "changed" else ""
        )


def proposals(catalog: Catalog, cost_map: CostMap) -> tuple[Proposal, ...]:
    """One for each deployment, in the file's order. No guess: two entries with different prices are no match."""
    return tuple(
        _proposal(model.name, i, deployment, cost_map)
        for model in catalog.models.values()
        for i, deployment in enumerate(model.deployments)
    )


def _proposal(model: str, index: int, deployment: Deployment, cost_map: CostMap) -> Proposal:
    place = ("models", model, "deployments", index, "prices")

    def proposal(status: Status, proposed: Prices | None, source: str) -> Proposal:
        return Proposal(model, deployment.name, place, status, deployment.usd, proposed, source)

    if deployment.self_hosted is not None:
        return proposal("self-hosted", None, "the price follows from gpus, gpu_hour_usd, utilisation and throughput")
    names = _providers(deployment)
    entries = {k: e for k, e in cost_map.items() if e.get("litellm_provider") in names and _per_million(e) is not None}
    if not entries:
        return proposal("not found", None, f"the cost map has no provider for {_where(deployment)}")
    matches = _matches(deployment.model, entries)
    if not matches:
        return proposal("not found", None, f"the cost map has no {deployment.model} at {_where(deployment)}")
    found = {k: p for k in matches if (p := _per_million(entries[k])) is not None}
    if len(set(found.values())) > 1:
        return proposal("not found", None, f"ambiguous: {', '.join(sorted(found))}")
    source, proposed = min(found.items())
    new = _merged(deployment.usd, proposed)
    return proposal("same" if new == deployment.usd else "changed", new, source)


def _merged(current: Prices, proposed: Prices) -> Prices:
    """A cached price that the map does not know stays as a person wrote it."""
    return (
        proposed
        if proposed.cached_input is not None
        else proposed.model_copy(update={"cached_input": current.cached_input})
    )


def _where(deployment: Deployment) -> str:
    return deployment.litellm_provider or urlsplit(deployment.url).hostname or ""


def _providers(deployment: Deployment) -> frozenset[str]:
    """What litellm may call the provider: the stated one, or the parts of the host's name."""
    host = deployment.litellm_provider or urlsplit(deployment.url).hostname or ""
    words = (
        {host}
        if deployment.litellm_provider
        else {w for label in host.split(".")[:-1] for w in (label, label.split("-")[0])}
    )
    return frozenset(word + suffix for word in words for suffix in PROVIDER_SUFFIXES)


def _matches(model: str, entries: CostMap) -> Sequence[str]:
    """Entries for `model`: by the whole id first, then by the last part alone, capitals aside."""
    ids = {key: _id(key, entry) for key, entry in entries.items()}
    wanted = model.lower()
    whole = [key for key, name in ids.items() if name == wanted]
    return whole or [key for key, name in ids.items() if name.rsplit("/", 1)[-1] == wanted.rsplit("/", 1)[-1]]


def _id(key: str, entry: Mapping[str, Any]) -> str:
    """The model's id at its provider: litellm's key without the provider in front."""
    return key.removeprefix(f"{entry['litellm_provider']}/").lower()


def _per_million(entry: Mapping[str, Any]) -> Prices | None:
    """USD per million tokens, rounded to what a price list shows; None where the entry has no price per token."""
    put, out = _dollars(entry, "input_cost_per_token"), _dollars(entry, "output_cost_per_token")
    if put is None or out is None:
        return None
    # A free cache read is how the map says that it does not know.
    return Prices(input=put, output=out, cached_input=_dollars(entry, "cache_read_input_token_cost") or None)


def _dollars(entry: Mapping[str, Any], key: str) -> float | None:
    number = entry.get(key)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1:
        return None
    return round(number * 1e6, 6)


def updated(text: str, wanted: Sequence[Proposal]) -> str:
    """The catalog's `text` with the changed prices in it; comments, order and spacing as they were."""
    return yaml_file.edit(text, {loc: new for proposal in wanted for loc, new in _edits(proposal)})


def _edits(proposal: Proposal) -> Iterator[tuple[yaml_file.Loc, str]]:
    if proposal.status != "changed" or proposal.proposed is None:
        return
    for key in ("input", "output", "cached_input"):
        old, new = getattr(proposal.current, key), getattr(proposal.proposed, key)
        if new is not None and new != old:
            yield (*proposal.place, key), _money(new)


def _pair(prices: Prices) -> str:
    return f"${_money(prices.input)} / ${_money(prices.output)}"


def _money(amount: float) -> str:
    """At least two decimals, no exponent: 0.4 → 0.40, 0.085 → 0.085."""
    text = f"{amount:.6f}".rstrip("0")
    return re.sub(r"\.(\d?)$", lambda m: f".{m[1]:0<2}", text)


def as_diff(text: str, wanted: Sequence[Proposal], name: str = "models.yaml") -> str:
    """A unified diff of the catalog file from `text` to what is proposed, as `patch` takes it; empty for no change."""
    before, after = text.splitlines(keepends=True), updated(text, wanted).splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, name, name))
