"""html-validate's standard rules, but for deprecated attributes: Outlook lays tables out by those."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.render.editions import block, edition, opened
from tests.render.test_letters import made

from digest.render.letters import KINDS

HERE = Path(__file__).parent / "html_validate"
PROGRAM = HERE / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
NODE = shutil.which("node")


@pytest.mark.skipif(
    NODE is None or not PROGRAM.exists(), reason="needs node, and `npm ci` in tests/render/html_validate"
)
def test_the_html_is_valid(tmp_path: Path) -> None:
    issue = edition(blocks=(block(1, note="A *note* with [a link](https://example.org).\n\n- one"), block(2)))
    (tmp_path / "issue.html").write_text(opened(issue).html)
    for kind in KINDS:
        (tmp_path / f"{kind}.html").write_text(made(kind).html)
    command = [
        str(NODE),
        str(PROGRAM),
        "-c",
        str(HERE / ".htmlvalidate.json"),
        "-f",
        "json",
        *map(str, tmp_path.iterdir()),
    ]
    run = subprocess.run(command, capture_output=True, timeout=100, check=False)
    found = [
        (fault["ruleId"], fault["message"]) for file in json.loads(run.stdout) for fault in file["messages"]
    ]
    assert found == []
