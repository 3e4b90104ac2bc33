"""The pages for people: `/` transcribes, `/docs` explains the API; each one file that loads nothing from elsewhere."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_FOLDER = Path(__file__).resolve().parent.parent / "page"
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def add_pages(app: FastAPI) -> None:
    """Serve the pages, read once."""
    router = APIRouter(include_in_schema=False)
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        router.add_api_route(path, _page((_FOLDER / name).read_text(encoding="utf-8")), response_class=HTMLResponse)
    app.include_router(router)


def _page(content: str) -> Callable[[], Awaitable[HTMLResponse]]:
    headers = {"Content-Security-Policy": content_policy(content), "Cache-Control": "no-cache"}

    async def page() -> HTMLResponse:
        return HTMLResponse(content, headers=headers)

    return page


def content_policy(content: str) -> str:
    """The policy that lets a page run the scripts and styles written in it, by their digests, and no others."""
    allowed: dict[str, list[str]] = {"script": [], "style": []}
    for kind, body in _INLINE.findall(content):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(allowed['script'])}",
            f"style-src {' '.join(allowed['style'])}",
            "connect-src 'self'",
            "media-src blob:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
