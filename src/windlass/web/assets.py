"""The pages: files that were built into ``assets/``, and the index that every address of the dashboard shows.

The built index has ``<base href="/">`` and names its files relative to that; here the base becomes where this
dashboard is mounted, and each name gets the mark of its file's content, so that a browser may keep it.
"""

from __future__ import annotations

import hashlib
import html
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from windlass.web.security import headers

FOLDER = Path(__file__).with_name("assets")
INDEX = "index.html"

_BASE = '<base href="/">'
_NAMED = re.compile(r'(?P<before>\b(?:src|href)=")(?:\./)?(?P<name>[\w.-]+\.[a-z0-9]+)(?=")')

# What mimetypes knows differs from machine to machine.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

_NOT_BUILT = (
    "The dashboard's pages are not here: they are built when Windlass is installed. In a source checkout, "
    "python3 dev.py setup builds them. The API answers all the same."
)
_ENTRANCE = "Open it by <code>windlass ui</code>, which brings you in. Or enter the token of this dashboard:"


class Asset(NamedTuple):
    """A built file."""

    content: bytes
    media_type: str
    mark: str


class Assets:
    """The built files, read once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: Mapping[str, Asset] | None = None
        self._folder = folder

    @property
    def files(self) -> Mapping[str, Asset]:
        """By name; empty where nothing was built."""
        if self._files is None:
            found = sorted(path for path in self._folder.glob("**/*") if path.is_file())
            self._files = {path.relative_to(self._folder).as_posix(): _read(path) for path in found}
        return self._files

    def find(self, name: str, request: Request) -> Response | None:
        """The file of that name, but the index; None where there is none."""
        asset = None if name == INDEX else self.files.get(name)
        if asset is None:
            return None
        keep = "no-cache"
        if request.query_params.get("v") == asset.mark:
            keep = "public, max-age=31536000, immutable"
        told = headers() | {"Cache-Control": keep, "ETag": f'"{asset.mark}"'}
        if f'"{asset.mark}"' in request.headers.get("if-none-match", ""):
            return Response(None, 304, told)
        return Response(asset.content, 200, told, asset.media_type)

    def index(self, base: str) -> Response:
        """The page for every address inside the dashboard, which is mounted at ``base``."""
        asset = self.files.get(INDEX)
        if asset is None:
            return page(503, "The pages were not built", _NOT_BUILT)
        text = asset.content.decode().replace(_BASE, f'<base href="{html.escape(base)}">', 1)
        return Response(_NAMED.sub(self._marked, text), 200, headers(), _TYPES[".html"])

    def _marked(self, found: re.Match[str]) -> str:
        asset = self.files.get(found["name"])
        return found[0] if asset is None else f"{found['before']}{found['name']}?v={asset.mark}"


def entrance(base: str, *, status: int, said: str | None = None) -> Response:
    """Where who is not known yet enters the token. It works without a script."""
    told = f"<p><strong>{html.escape(said)}</strong></p>" if said else ""
    form = (
        f'{told}<p>{_ENTRANCE}</p><form method="post" action="{html.escape(base)}enter">'
        '<p><label>Token <input name="token" type="password" autocomplete="current-password" required '
        'autofocus></label> <button type="submit">Enter</button></p></form>'
    )
    return _page(status, "Windlass", form, forms=True)


def page(status: int, title: str, text: str) -> Response:
    """A page that says one thing."""
    return _page(status, title, f"<p>{html.escape(text)}</p>")


def _page(status: int, title: str, body: str, *, forms: bool = False) -> Response:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title></head><body><main><h1>{html.escape(title)}</h1>{body}</main>"
        "</body></html>"
    )
    return Response(text, status, headers(forms=forms), _TYPES[".html"])


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    mark = hashlib.blake2b(content, digest_size=8).hexdigest()
    return Asset(content, _TYPES.get(path.suffix, guessed), mark)
