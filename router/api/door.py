"""The door to all that is not a step's route: shut to everybody without a key that may go there, unknown paths too."""

from __future__ import annotations

from router.api.asgi import App, Receive, Scope, Send, header_map, request_id, send_error
from router.api.messages import spoken_at
from router.api.paths import nowhere
from router.errors import TurnoutError
from router.keys import Grant, Right, Ring

OPEN = frozenset(("/healthz", "/readyz"))
"""Load balancers carry no keys, and nothing there tells a secret."""
EVERYWHERE = OPEN | {"/", "/v1/route"}
"""At both ports: the page, too, asks what would be done."""
SCOPES: dict[str, Right] = {"/v1/outcomes": "outcomes", "/metrics": "metrics"}
"""Of all other paths: `call`."""
ADMIN = "/admin"
PAGE = "/ui"
"""Its files are the same for everybody and hold nothing; what they show is behind `admin`."""
GRANT = "turnout.grant"
"""The scope's key under which whose request it is goes on to the routes."""


class Door:
    """Finds out whose a request is before anything else is done with it."""

    def __init__(self, rest: App, ring: Ring, admin_port: int = 0) -> None:
        """`admin_port`: the one at which metrics and administration are, and nothing else; 0: where all is."""
        self._rest, self._ring, self._admin_port = rest, ring, admin_port

    def apart(self, scope: Scope) -> bool:
        """Whether the request came in at the port of administration."""
        return bool(self._admin_port) and scope["server"][1] == self._admin_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                if not _open(scope):
                    scope[GRANT] = self._ring.identify(header_map(scope), right(scope["path"]))
                if self._elsewhere(scope):
                    raise nowhere(scope["path"], 404)
            except TurnoutError as error:
                headers = header_map(scope)
                await send_error(send, error, request_id(headers), spoken_at(scope["path"], headers))
                return
        await self._rest(scope, receive, send)

    def _elsewhere(self, scope: Scope) -> bool:
        """Whether what is asked for is at the other port."""
        path = scope["path"]
        return bool(self._admin_port) and path not in EVERYWHERE and self.apart(scope) != _of_admin(path)


def granted(scope: Scope) -> Grant:
    """Whose request it is."""
    grant: Grant = scope[GRANT]
    return grant


def right(path: str) -> Right:
    """What a key must be allowed to do there. What is not known to be anything else is a call."""
    return "admin" if path == ADMIN or path.startswith(f"{ADMIN}/") else SCOPES.get(path, "call")


def _of_admin(path: str) -> bool:
    return right(path) in ("admin", "metrics") or _page(path)


def _open(scope: Scope) -> bool:
    """Clients look with `HEAD /` whether anybody is there."""
    path, method = scope["path"], scope["method"]
    if _page(path):
        return method in ("GET", "HEAD")
    return path in OPEN or (path == "/" and method == "HEAD")


def _page(path: str) -> bool:
    return path == PAGE or path.startswith(f"{PAGE}/")
