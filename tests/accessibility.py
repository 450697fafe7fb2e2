"""axe's judgement of a page, light and dark, from loading it once."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # nothing else differs between the schemes


def accessibility_problems(page: Page, options: dict[str, object] | None = None) -> list[str]:
    """What axe finds on the page with `options`: by every rule when light, by the rules on colours when dark."""
    found = []
    for scheme, rules in (("light", {}), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)
        faults = Axe().run(page, options={**(options or {}), **rules}).response["violations"]
        found += [
            f"{scheme}: {fault['id']}: {[node['html'][:160] for node in fault['nodes']][:3]}"
            for fault in faults
        ]
    return found
