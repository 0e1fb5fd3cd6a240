"""`/ui`: the page's own files, the same for everybody. What it shows it asks of `/admin`, with the viewer's key."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from router.errors import NotFound

UI = "/ui"
FILES = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    # Nothing but these very files runs or is shown, and the page is nobody's frame.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


def routes() -> APIRouter:
    router = APIRouter(tags=["admin"])
    folder = resources.files("router.ui")
    files = {name: (folder / name).read_bytes() for name in FILES}
    tags = {name: f'"{sha256(data).hexdigest()[:16]}"' for name, data in files.items()}

    @router.get(UI, include_in_schema=False)
    def bare() -> Response:
        return RedirectResponse(f"{UI}/", 308)

    @router.get(f"{UI}/{{name:path}}", include_in_schema=False)
    def page(name: str, request: Request) -> Response:
        """Open to everybody, since it holds nothing: what it shows is behind the scope `admin`."""
        name = name or "index.html"
        if name not in files:
            raise NotFound(f"There is no {UI}/{name[:64]}.", code="not_found")
        headers = {**HEADERS, "etag": tags[name], "content-type": FILES[name]}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        return Response(files[name], headers=headers)

    return router
