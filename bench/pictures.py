"""`make screenshots`: runs a demo of its own and takes the pictures of docs/pictures from it with Chromium.

Names are place-width-scheme. What no run of a demo shows by itself (a letter, an issue on its way) is not taken anew.
"""

import base64
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from digest.config import free_port

HERE = Path(__file__).parent.parent
FOLDER = HERE / "docs" / "pictures"
HEIGHT = 900
PLACES = {  # name: where, widths, schemes, whether an editor is signed in
    "site-front": ("/", (360, 1280), ("light", "dark"), False),
    "site-comparisons": ("/comparisons", (1280,), ("dark",), False),
    "site-comparison": ("first comparison", (1280,), ("light",), False),
    "desk-front": ("/desk/", (768,), ("dark",), True),
    "desk-preview": ("/desk/issues/1/preview", (768,), ("light",), True),
    "desk-report": ("/desk/issues/1/report", (1280,), ("light",), True),
    "mail": ("the mail", (320, 600), ("light", "dark"), False),
}


def main() -> int:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with _demo() as (site, link), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            for name, (where, widths, schemes, editor) in PLACES.items():
                for width, scheme in ((width, scheme) for width in widths for scheme in schemes):
                    with _page(browser, width, scheme, link if editor else None) as page:
                        _go(page, site, where)
                        _shoot(page, FOLDER / f"{name}-{width}-{scheme}.png", whole=where == "the mail")
        finally:
            browser.close()
    return 0


@contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """(site, sign-in link) of a running demo."""
    with tempfile.TemporaryDirectory(prefix="digest-pictures-", ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-u", "-m", "digest.app", "demo", "--port", str(free_port())]
        with subprocess.Popen([*command, "--home", home], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                said = ""
                for line in process.stdout:
                    said += line
                    if "Ctrl-C ends it" in line:
                        break
                site, link = re.search(r"site +(\S+)/\n", said), re.search(r"desk +(\S+)", said)
                if site is None or link is None:
                    raise SystemExit(f"the demo did not come up:\n{said}")
                yield site[1], link[1]
            finally:
                process.terminate()


@contextmanager
def _page(browser: Browser, width: int, scheme: str, link: str | None) -> Iterator[Page]:
    dark = "dark" if scheme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=dark)
    page = context.new_page()
    try:
        if link:
            _sign_in(page, link)
        yield page
    finally:
        context.close()


def _sign_in(page: Page, link: str) -> None:
    """With one link once; afterwards with its cookie, for a link works once."""
    if _cookies:
        page.context.add_cookies(_cookies)  # type: ignore[arg-type]
        return
    page.goto(link)
    page.locator("main form button").first.click()
    page.wait_for_load_state()
    _cookies.extend(page.context.cookies())  # type: ignore[arg-type]


def _go(page: Page, site: str, where: str) -> None:
    if where == "first comparison":
        page.goto(f"{site}/comparisons")
        page.goto(site + str(page.locator("main a[href^='/comparisons/']").first.get_attribute("href")))
    elif where == "the mail":
        page.goto(f"{site}/mailbox")
        keys = [str(link.get_attribute("href")) for link in page.locator("main a[href^='/mailbox/']").all()]
        page.goto(site + keys[0].partition("?")[0] + "/html")
    else:
        page.goto(site + where)
    page.wait_for_load_state("networkidle")


def _shoot(page: Page, path: Path, *, whole: bool) -> None:
    shot = page.screenshot(full_page=whole)
    desk = page.context.browser.new_page()  # type: ignore[union-attr]
    try:
        width, height, palette, dots = desk.evaluate(QUANTISE, base64.b64encode(shot).decode())
    finally:
        desk.close()
    path.write_bytes(_png(width, height, base64.b64decode(palette), base64.b64decode(dots)))
    print(f"{path.relative_to(HERE)}  {path.stat().st_size // 1024} kB", flush=True)


def _png(width: int, height: int, palette: bytes, dots: bytes) -> bytes:
    """A PNG of at most 256 colours: a third of what the browser writes."""
    lines = b"".join(b"\0" + dots[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# The browser knows how to read its picture: the 256 most used colours stay, the rest becomes the nearest of them.
QUANTISE = """async (shot) => {
  const image = new Image(); image.src = 'data:image/png;base64,' + shot; await image.decode();
  const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height;
  const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0);
  const seen = new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer), count = new Map();
  for (const dot of seen) count.set(dot, (count.get(dot) || 0) + 1);
  const kept = [...count].sort((a, b) => b[1] - a[1]).slice(0, 256).map(one => one[0]);
  const parts = dot => [dot & 255, dot >> 8 & 255, dot >> 16 & 255], palette = kept.map(parts), place = new Map();
  const nearest = dot => {
    const [r, g, b] = parts(dot); let best = 0, least = Infinity;
    palette.forEach(([pr, pg, pb], at) => {
      const far = (r - pr) ** 2 + (g - pg) ** 2 + (b - pb) ** 2;
      if (far < least) { least = far; best = at; }
    });
    return best;
  };
  for (const dot of count.keys()) place.set(dot, nearest(dot));
  const packed = bytes => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.slice(at, at + 8192));
    return btoa(text);
  };
  const dots = Uint8Array.from(seen, dot => place.get(dot));
  return [image.width, image.height, packed(Uint8Array.from(palette.flat())), packed(dots)];
}"""

_cookies: list[object] = []

if __name__ == "__main__":
    sys.exit(main())
