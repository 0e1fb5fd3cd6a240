"""The processes of the demo: the simulated models and the router, started and, whatever happens, ended."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from router import catalog as catalogs
from router.catalog import Catalog
from router.errors import ConfigError
from router.settings import PREFIX
from router.simulate.server import Options, listen, simulated, url

GRACE_S = 5.0
"""Seconds that a process gets to end by itself."""


class Orders(msgspec.Struct):
    """What the simulators' process is told."""

    catalog: str
    """Path of the catalog that the models come from."""
    sockets: dict[str, int]
    """File descriptor of each model's listening socket."""
    options: Options

    def read_catalog(self) -> Catalog:
        return catalogs.load(Path(self.catalog))


class SecondOrders(msgspec.Struct):
    """What the second act's process is told."""

    catalog: str
    """Path of a catalog of simulated models."""
    policy: str
    seed: int
    outcomes: int
    """Requests that are learned from."""
    steps: int
    """Of each act."""
    result: str
    """Path of the file that the result goes to."""


class Child:
    """A process and the file that its complaints go to."""

    def __init__(self, what: str, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self.what, self.process, self._errors = what, process, errors

    def epitaph(self) -> str | None:
        """One sentence on how it ended, with its last words; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        self._errors.seek(0)
        words = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return f"{self.what} ended with status {code}" + (f": {words[-1]}" if words else ".")


@contextlib.contextmanager
def child(
    what: str, *arguments: str, environment: Mapping[str, str], orders: bytes = b"", sockets: Sequence[int] = ()
) -> Iterator[Child]:
    """Runs `python ARGUMENTS` for as long as the block lasts, with `environment` but for its settings of Turnout."""
    clean = {k: v for k, v in environment.items() if not k.startswith(PREFIX)}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=clean,
            pass_fds=sockets,
            start_new_session=True,  # an interrupt from the keyboard reaches the demo alone, which ends its children
        )
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it ended at once; `epitaph` says why
                process.stdin.write(orders)
                process.stdin.flush()
            yield Child(what, process, errors)
        finally:
            _end(process)


def check(servers: Sequence[Child], command: str) -> None:
    """Raises ConfigError with its last words where one of the servers that `command` started has ended."""
    for server in servers:
        if (ending := server.epitaph()) is not None:
            raise ConfigError(command, None, ending)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what it did not read is lost
            process.stdin.close()


@contextlib.contextmanager
def models(path: Path, options: Options, environment: Mapping[str, str]) -> Iterator[tuple[Child, dict[str, str]]]:
    """The simulated models of the catalog at `path`; their addresses by name. They listen before the block begins."""
    catalog = catalogs.load(path)
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(listen("127.0.0.1", 0)) for name in catalog.models}
        numbers = {name: sock.fileno() for name, sock in sockets.items()}
        addresses = {name: url(sock) for name, sock in sockets.items()}
        orders = msgspec.json.encode(Orders(str(path), numbers, options)) + b"\n"
        served = child(
            "The simulated models",
            "-m",
            "router.simulate",
            environment=environment,
            orders=orders,
            sockets=tuple(numbers.values()),
        )
        yield stack.enter_context(served), addresses


@contextlib.contextmanager
def router(
    catalog: Catalog, policies: Path, port: int, environment: Mapping[str, str], *, learns: bool = False
) -> Iterator[Child]:
    """A Turnout server on `port` of loopback, with this catalog and the policies in that folder."""
    with tempfile.TemporaryDirectory(prefix="turnout-demo-") as folder:
        path = Path(folder) / "models.yaml"
        path.write_bytes(as_yaml(catalog))
        files = (
            "--catalog",
            str(path),
            "--policies",
            str(policies),
            "--policy",
            "default",
            "--state",
            folder,
            *(() if learns else ("--no-learn",)),
        )
        address = ("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning")
        with child("Turnout", "-m", "router", "serve", *files, *address, environment=environment) as running:
            yield running


@contextlib.contextmanager
def second(
    catalog: Catalog, policies: Path, seed: int, outcomes: int, steps: int, environment: Mapping[str, str]
) -> Iterator[tuple[Child, Path]]:
    """The second act, beside the first; the file that its result will be in once the process has ended well."""
    with tempfile.TemporaryDirectory(prefix="turnout-demo-") as folder:
        path, result = Path(folder) / "models.yaml", Path(folder) / "act.json"
        path.write_bytes(as_yaml(catalog))
        told = (str(path), str(policies / "default.yaml"), seed, outcomes, steps, str(result))
        orders = msgspec.json.encode(SecondOrders(*told)) + b"\n"
        work = child("The second act", "-m", "router.simulate.second", environment=environment, orders=orders)
        with work as running:
            yield running, result


def as_yaml(catalog: Catalog) -> bytes:
    """The catalog as a file that can be read again: JSON, which is YAML."""
    data = catalog.model_dump(mode="json", exclude_defaults=True)
    return msgspec.json.format(msgspec.json.encode(data))


def scene(path: Path, addresses: Mapping[str, str]) -> Catalog:
    """The catalog at `path` with the simulated models as its only deployments."""
    return simulated(catalogs.load(path), addresses)
