"""Take the screenshots in docs/pictures from a demo with Chromium (`make screenshots`).

Files are named page-width-scheme. Pictures of what a demo
does not show by itself (such as a confirmation mail) stay as they are.
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
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from digest.config.home_files import free_port

HERE = Path(__file__).parent.parent
FOLDER = HERE / "docs" / "pictures"
HEIGHT, MOST = 900, 2200
ONLY = sys.argv[1:]  # names of desk pages; without names, everything
PLACES = {  # name: path, widths, color schemes, whether an editor is signed in
    "site-front": ("/", (360, 1280), ("light", "dark"), False),
    "site-comparisons": ("/comparisons", (1280,), ("dark",), False),
    "site-comparison": ("first comparison", (1280,), ("light",), False),
    "mail": ("the mail", (320, 600), ("light", "dark"), False),
}

SIGN_IN, HELD = "/desk/sign-in", "held"
DESK = {  # name: (path, heading in the gallery); "first" means the first link of that kind
    "sign-in": (SIGN_IN, "Sign in with an emailed link"),
    "set-up": ("/desk/setup", "Set up: from an empty installation to the first draft"),
    "overview": ("/desk/", "Overview: open issues, sent issues and the next step"),
    "calendar": ("/desk/calendar", "Calendar: sent and planned issues; skip a date"),
    "draft": ("/desk/issues/2", "Draft: picks with reasons and alternatives, texts, checks"),
    "versions": ("/desk/issues/2/versions", "Versions: every edit, and restoring one"),
    "preview": ("/desk/issues/2/preview", "Preview: the email as any reader sees it"),
    "schedule": ("/desk/issues/2/schedule", "Schedule: when, to how many readers, and for how long"),
    "progress": (HELD, "Progress: the cancel window, then live numbers"),
    "report": ("/desk/issues/1/report", "Report: an issue's results beside the last twelve"),
    "deliveries": (
        "/desk/issues/1/deliveries",
        "Deliveries: recipients, times and the mail server's replies",
    ),
    "audience": ("/desk/audience", "Audience: a year of readers"),
    "subscribers": ("/desk/subscribers", "Subscribers: search"),
    "subscriber": ("first /desk/subscribers /desk/subscribers/", "Subscriber: everything about one reader"),
    "comparisons": ("/desk/comparisons", "Comparisons: browse, import, write"),
    "comparison": (
        "first /desk/comparisons /desk/comparisons/",
        "Comparison: both tools, all quotes, every version",
    ),
    "comparison-form": ("/desk/comparisons/new", "Write a comparison"),
    "tool": ("first tool /desk/tools/", "Tool: its verdicts over time"),
    "team": ("/desk/team", "Team: users and their roles"),
    "account": ("/desk/account", "Account: two-factor authentication and sessions"),
    "audit-log": ("/desk/audit-log", "Audit log: who changed what, and when"),
    "settings": ("/desk/settings", "Settings: the publication"),
}


def main() -> int:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with _demo() as (site, link), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            for name, (where, widths, schemes, editor) in PLACES.items() if not ONLY else ():
                for width, scheme in ((width, scheme) for width in widths for scheme in schemes):
                    with _page(browser, width, scheme, link if editor else None) as page:
                        _go(page, site, where)
                        _shoot(page, FOLDER / f"{name}-{width}-{scheme}.png", whole=where == "the mail")
            _desk(browser, site, link)
        finally:
            browser.close()
    return 0


def _desk(browser: Browser, site: str, link: str) -> None:
    """Every desk page at phone and desktop width, light and dark, and the gallery of them all."""
    (FOLDER / "desk").mkdir(exist_ok=True)
    with _page(browser, 1280, "light", link) as page:
        _edit(page, site)
    for name, (where, _) in sorted(DESK.items(), key=lambda page: page[1][0] == HELD):
        if ONLY and name not in ONLY:
            continue
        for width in (360, 1280):
            for scheme in ("light", "dark"):
                with _page(browser, width, scheme, None if where == SIGN_IN else link) as page:
                    _open(page, site, where)
                    _shoot(page, FOLDER / "desk" / f"{name}-{width}-{scheme}.png", most=MOST)
    (FOLDER / "README.md").write_text("\n".join(_gallery()) + "\n")


def _edit(page: Page, site: str) -> None:
    """Draft next week's issue and write its introduction."""
    page.goto(f"{site}/desk/")
    button = page.get_by_role("button", name="Draft issue now")
    if button.count():  # absent if the scheduler has already drafted it
        button.click()
    page.goto(f"{site}/desk/issues/2")
    page.locator("textarea[name=intro]").fill("A quiet week, and a **good** one: two verdicts surprised us.")
    page.get_by_role("button", name="Save", exact=True).last.click()
    page.wait_for_load_state("networkidle")


def _open(page: Page, site: str, where: str) -> None:
    first, _, at = where.partition(" ")
    if where == HELD:
        page.goto(f"{site}/desk/issues/2/schedule")
        if page.get_by_role("button", name="Send now").count():
            for reason in page.locator("textarea[name^=reason], input[name^=reason]").all():
                reason.fill("This is a demo.")
            page.get_by_role("button", name="Send now").click()
        for _ in range(40):  # until the scheduler has frozen it
            page.goto(f"{site}/desk/issues/2")
            if page.get_by_role("button", name="Return to draft").count():
                break
            page.wait_for_timeout(1000)
    elif first == "first":
        source, start = at.split()
        page.goto(f"{site}/desk/comparisons" if source == "tool" else site + source)
        if source == "tool":
            page.goto(site + _first_link(page, "/desk/comparisons/"))
        page.goto(site + _first_link(page, start))
    else:
        page.goto(site + where)
    page.wait_for_load_state("networkidle")


def _first_link(page: Page, start: str) -> str:
    links = [str(link.get_attribute("href")) for link in page.locator(f"main a[href^='{start}']").all()]
    return next(link for link in links if not link.endswith("/new") and "?" not in link)


def _gallery() -> Iterator[str]:
    yield "# The desk\n\nTaken by `make screenshots` from `digest demo`."
    for name, (_, words) in DESK.items():
        shots = [
            f"![](desk/{name}-{width}-{scheme}.png)" for width in (360, 1280) for scheme in ("light", "dark")
        ]
        yield f"\n## {words}\n"
        yield "| phone, light | phone, dark | desktop, light | desktop, dark |\n|---|---|---|---|"
        yield f"| {' | '.join(shots)} |"


@contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """Run a demo and yield (site, sign-in link)."""
    with tempfile.TemporaryDirectory(prefix="digest-pictures-", ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-u", "-m", "digest.app", "demo", "--port", str(free_port())]
        with subprocess.Popen([*command, "--home", home], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                output = ""
                for line in process.stdout:
                    output += line
                    if "Press Ctrl-C to stop" in line:
                        break
                site, link = re.search(r"site +(\S+)/\n", output), re.search(r"desk +(\S+)", output)
                if site is None or link is None:
                    raise SystemExit(f"the demo did not start:\n{output}")
                yield site[1], link[1]
            finally:
                process.terminate()


@contextmanager
def _page(browser: Browser, width: int, scheme: str, link: str | None) -> Iterator[Page]:
    dark: Literal["dark", "light"] = "dark" if scheme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=dark)
    page = context.new_page()
    try:
        if link:
            _sign_in(page, link)
        yield page
    finally:
        context.close()


def _sign_in(page: Page, link: str) -> None:
    """Sign in with the link the first time and with its cookies afterwards, as a link works only once."""
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


def _shoot(page: Page, path: Path, *, whole: bool = False, most: int = 0) -> None:
    if most:
        tall = int(page.evaluate("document.documentElement.scrollHeight"))
        size = page.viewport_size or {"width": 1280}
        page.set_viewport_size({"width": size["width"], "height": max(HEIGHT, min(tall, most))})
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


# Runs in the browser, which can decode a PNG: keeps the 256 most used colors, and maps others to the nearest of them.
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
