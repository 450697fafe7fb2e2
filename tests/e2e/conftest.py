"""What the end-to-end tests share: a running digest and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext
from tests.conftest import PATIENCE_MS
from tests.e2e.machine import Home, Up, up

# A headless browser says so in its name, and would be counted as a machine.
PERSON = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after `digest init`, to be copied; no draft comes by itself."""
    home = Home(tmp_path_factory.mktemp("initialised"))
    home.digest("init", "--name", "Verdicts", "--sender", "news@example.org")
    home.calm()
    return home


@pytest.fixture(scope="module")
def running(initialised: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`digest up` with the embedded mailbox, ended at the end of the module."""
    with up(initialised.copy(tmp_path_factory.mktemp("running") / "home")) as started:
        yield started


@pytest.fixture
def reader(browser: Browser) -> Iterator[BrowserContext]:
    """A reader's browser, without scripts: nothing that a reader does may need them."""
    context = browser.new_context(user_agent=PERSON, locale="en-GB", java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def editor(browser: Browser) -> Iterator[BrowserContext]:
    """An editor's browser."""
    context = browser.new_context(user_agent=PERSON, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()
