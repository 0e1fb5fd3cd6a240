"""Calls to make, and what to look for in what comes back."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

from router.deployment import Deployment, Prices
from router.errors import UpstreamFault
from router.upstream.base import Call, Reply

MB = 1_000_000
SECRETS = ("127.0.0.1", "localhost", "sk-secret", "engine died", "SSH", "/v1")


def deployed(url: str, **fields: object) -> Deployment:
    return Deployment.model_validate(
        {"name": "d", "model": "m", "base_url": url, "prices": Prices(input=1, output=1), **fields}
    )


def call(url: str, model: str, *, stream: bool = False, idle_s: float = 5.0, **fields: object) -> Call:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
    return Call(deployed(url, **fields), body, stream, connect_s=2.0, idle_s=idle_s)


async def gathered(reply: Reply) -> bytes:
    return b"".join([piece async for piece in reply.chunks()])


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate for 127.0.0.1 that only itself vouches for."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def quiet(fault: UpstreamFault) -> bool:
    """Whether the fault says nothing of hosts, keys or what the upstream said, and keeps what caused it."""
    return not any(secret in fault.message for secret in SECRETS)
