"""What the environment says, read once at start and passed on by argument."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from router.errors import ConfigError

PREFIX = "TURNOUT_"
BOUNDS = {
    "port": (0, 65_535),
    "admin_port": (0, 65_535),
    "workers": (1, 256),
    "reload_interval": (0, 86_400),
    "queue_timeout": (0, 86_400),
    "shutdown_delay": (0, 3_600),
    "journal_segment_bytes": (4_096, 1e12),
    "journal_keep_bytes": (0, 1e15),
    "journal_text": (0, 65_536),
    "response_bytes": (0, 1e12),
    "trace_ratio": (0, 1),
}
ANY_NUMBER = (0.001, 1e12)
"""Bounds of the other numbers: 0 would mean `at once` in one place and `never` in another, so it is refused."""
CHOICES = {
    "client": ("native", "aiohttp"),
    "journal": ("auto", "on", "off", "store"),
    "learn": ("on", "off"),
    "journal_fsync": ("always", "interval", "never"),
    "journal_gzip": ("off", "on"),
    "tracing": ("auto", "on", "off"),
}
MEMORY, EMBEDDED = "memory://", "valkey://embedded"
"""Stores that are no server of their own: state of one process, and a Valkey that is started and ended with it."""
HOME_STATE = (".local", "state")
SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_[0-9]+_(TCP|UDP|SCTP)(_|$)")
ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def shipped_dir() -> Path:
    """The catalog and policies that came with the package: `router/shipped` in a wheel, `policies/` in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "policies"


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is read from `TURNOUT_` plus its name in capitals; an empty variable counts as not set."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    """Processes that serve, each on one core."""
    catalog: Path | None = None
    """The models file; `models.yaml` in the policies folder where not given."""
    policies: Path | None = None
    """Folder of policies; `./policies` where it has a `models.yaml`, else the shipped ones."""
    policy: str = "default"
    """The policy that `auto` means."""
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """Keys that callers must present as bearer tokens, separated by commas. Without any, only loopback may be bound."""
    keys_file: Path | None = None
    """File of keys with rights and limits of their own; `keys.json` in the state folder where not given."""
    admin_port: int = 0
    """The one port at which metrics and administration are; 0: they are where all is."""
    admin_host: str = "127.0.0.1"
    """Address of that port."""
    max_body_bytes: int = 10_000_000
    max_answer_bytes: int = 32_000_000
    client: str = "native"
    """The HTTP client for OpenAI-compatible upstreams: `native`, our own, or `aiohttp`."""
    learn: str = "on"
    """Whether outcomes move what is believed of the models; `off` stays at the catalog's priors."""
    connect_timeout: float = 5.0
    """Seconds to connect to an upstream."""
    first_token_timeout: float = 60.0
    """Seconds to the first content of a streamed answer, at most; plans with an alternative wait less."""
    idle_timeout: float = 60.0
    """Seconds between two reads from an upstream."""
    attempt_timeout: float = 600.0
    """Seconds of one attempt, to its end or, relayed live, to its first content."""
    queue_timeout: float = 30.0
    """Seconds that a step may wait for a deployment to have room."""
    shutdown_delay: float = 0.0
    """Seconds after SIGTERM in which `/readyz` says 503 and steps are still taken."""
    keepalive_interval: float = 5.0
    """Seconds between comments while a streamed answer is held."""
    step_ttl: float = 86_400.0
    """Seconds for which a step or run is remembered after it was last heard of."""
    response_ttl: float = 86_400.0
    """Seconds for which a response of `/v1/responses` is kept after it was last asked for."""
    response_bytes: int = 16_000_000
    """Of all responses that are kept; 0 keeps none."""
    outcomes_per_minute: int = 6_000
    """Verdicts that one key may send."""
    reload_interval: float = 2.0
    """Seconds between looks at the policy and catalog files; 0 never looks."""
    exploration_secret: str | None = field(default=None, repr=False)
    """What the draws of runs are hashed with; machines that share runs share it. Made, and kept in the state folder,
    where not given."""
    store: str = field(default=MEMORY, repr=False)
    """Where the state is that processes share: `memory://`, in this one alone; `valkey://embedded`; a Redis URL."""
    state_dir: Path | None = None
    """Folder of what outlives the server; `serve` takes the user's own state folder where not given."""
    journal: str = "auto"
    """Whether outcomes are logged; `auto`: where there is a state folder that can be written; `store`: in the store."""
    journal_fsync: str = "interval"
    """When written records are forced to the disk: after each batch, each second, or when the system likes."""
    journal_segment_bytes: int = 64_000_000
    journal_segment_age: float = 3_600.0
    """Seconds after which a segment is closed, however small."""
    journal_keep_bytes: int = 4_000_000_000
    """Of all segments; beyond, the oldest are deleted. 0 keeps all."""
    journal_gzip: str = "off"
    """Whether closed segments are compressed."""
    journal_text: int = 0
    """Bytes of a step's last user message that its record keeps; 0 keeps no text at all."""
    tracing: str = "auto"
    """Whether spans are sent; `auto`: where OpenTelemetry's own variables name a collector."""
    trace_ratio: float = 1.0
    """Share of the traces begun here that are marked as sampled; a caller's mark goes over it."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment, for the upstream keys that the catalog names."""

    @property
    def policies_dir(self) -> Path:
        if self.policies is not None:
            return self.policies
        local = Path("policies")
        return local if (local / "models.yaml").is_file() else shipped_dir()

    @property
    def catalog_path(self) -> Path:
        return self.catalog if self.catalog is not None else self.policies_dir / "models.yaml"

    @property
    def user_state_dir(self) -> Path | None:
        """The user's own folder for state, as the XDG specification places it; None where there is no home."""
        for base, below in ((self.environment.get("XDG_STATE_HOME"), ()), (self.environment.get("HOME"), HOME_STATE)):
            if base and Path(base).is_absolute():
                return Path(base, *below, "turnout")
        return None

    @property
    def journal_dir(self) -> Path | None:
        return self.state_dir / "journal" if self.state_dir is not None else None

    @property
    def keys_path(self) -> Path | None:
        """Where keys are kept; there need be no such file, unless the settings name it."""
        if self.keys_file is None and self.state_dir is not None:
            return self.state_dir / "keys.json"
        return self.keys_file

    @property
    def beliefs_dir(self) -> Path | None:
        return self.state_dir / "beliefs" if self.state_dir is not None else None

    def check_exposure(self, named: str = f"{PREFIX}HOST") -> None:
        """Raises ConfigError where an address, the main one from `named`, is reachable by others and no key is set."""
        if self.api_keys or (self.keys_path is not None and self.keys_path.is_file()):
            return
        inner = self.admin_host if self.admin_port else "127.0.0.1"
        for name, host in ((named, self.host), (f"{PREFIX}ADMIN_HOST", inner)):
            if not is_loopback(host):
                raise ConfigError(
                    name,
                    None,
                    f"{host} can be reached by others and no key is set. Make one (turnout keys create NAME), "
                    f"set {PREFIX}API_KEYS, or bind to 127.0.0.1.",
                )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from `TURNOUT_*`. Raises ConfigError naming the variable; unknown `TURNOUT_` names are refused."""
    found: dict[str, object] = {}
    known = {f"{PREFIX}{f.upper()}": f for f in Settings.__dataclass_fields__ if f != "environment"}
    for name, text in environment.items():
        if not name.upper().startswith(PREFIX) or _service_link(name, text):
            continue
        if name not in known:
            raise ConfigError(name, None, f"is not a setting. Settings are: {', '.join(known)}")
        if text.strip():
            found[known[name]] = _value(name, known[name], text)
    return Settings(**found, environment=dict(environment))  # type: ignore[arg-type]


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment that `from_environment` reads the same settings from."""
    said = {}
    for name, field_ in Settings.__dataclass_fields__.items():
        value = getattr(settings, name)
        if name != "environment" and value is not None and value != field_.default:
            said[f"{PREFIX}{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    others = {name: text for name, text in settings.environment.items() if not name.upper().startswith(PREFIX)}
    return {**others, **said}


def _service_link(name: str, text: str) -> bool:
    """Whether Kubernetes set it by itself, as it does in every container beside a Service called `turnout`."""
    return bool(SERVICE_LINK.search(name) or (name.endswith("_PORT") and ADDRESS.match(text)))


def _value(name: str, key: str, text: str) -> object:
    kind = str(Settings.__dataclass_fields__[key].type)
    if kind.startswith("Path"):
        return Path(text)
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind.startswith("str"):
        if key in CHOICES and text not in CHOICES[key]:
            raise ConfigError(name, None, f"must be one of {', '.join(CHOICES[key])}, not {text[:64]!r}")
        return text
    try:
        number = int(text) if kind == "int" else float(text)
    except ValueError:
        raise ConfigError(name, None, f"must be a {'whole ' * (kind == 'int')}number, not {text[:64]!r}") from None
    low, high = BOUNDS.get(key, ANY_NUMBER)
    if not low <= number <= high:
        raise ConfigError(name, None, f"must be from {low:g} to {high:g}, not {text[:64]!r}")
    return number
