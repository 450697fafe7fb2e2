"""docs/security.md answers every requirement of ASVS 5.0.0, level 1 and 2, and names only tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()

# How many requirements each section has at level 1 and 2, where they are numbered from 1 without a gap; of the others,
# which are of level 3 and so not asked for. From the standard's own table, version 5.0.0.
SECTIONS = {
    "1.1": 2, "1.2": 10, "1.3": 12, "1.4": 3, "1.5": 3,
    "2.1": 3, "2.2": 3, "2.3": 5, "2.4": 2,
    "3.2": 3, "3.3": 5, "3.4": 8, "3.5": 8, "3.7": 5,
    "4.1": 5, "4.2": 5, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 6, "5.3": 3, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
    "8.1": 4, "8.2": 4, "8.3": 3, "8.4": 2,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
    "11.1": 4, "11.2": 5, "11.3": 5, "11.4": 4, "11.5": 2, "11.6": 2,
    "12.1": 5, "12.2": 2, "12.3": 5,
    "13.1": 4, "13.2": 6, "13.3": 4, "13.4": 7,
    "14.1": 2, "14.2": 8, "14.3": 3,
    "15.1": 5, "15.2": 5, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4,
    "17.1": 2, "17.2": 8, "17.3": 2,
}  # fmt: skip
LEVEL_3 = """    1.2.10 1.3.12 1.5.3 2.3.5 2.4.2 3.2.3 3.3.5 3.4.7 3.4.8 3.5.6 3.5.7 3.5.8 3.7.3 3.7.4 3.7.5 4.1.4 4.1.5 4.2.2
    4.2.3 4.2.4 4.2.5 5.2.4 5.2.5 5.2.6 5.3.3 6.3.5 6.3.6 6.3.7 6.3.8 6.4.5 6.4.6 6.5.6 6.5.7 6.5.8 6.6.4 7.5.3
    8.1.3 8.1.4 8.2.4 8.3.2 8.3.3 8.4.2 10.2.3 10.3.5 10.4.12 10.4.13 10.4.14 10.4.15 10.4.16 11.1.3 11.1.4 11.2.4
    11.2.5 11.3.4 11.3.5 11.5.2 11.6.2 12.1.4 12.1.5 12.3.5 13.1.2 13.1.3 13.1.4 13.2.6 13.3.3 13.3.4 13.4.6 13.4.7
    14.2.5 14.2.6 14.2.7 14.2.8 15.1.4 15.1.5 15.2.4 15.2.5 16.5.4 17.1.2 17.2.5 17.2.6 17.2.7 17.2.8
"""


def test_every_requirement_of_level_1_and_2_is_answered_once() -> None:
    asked = {f"{section}.{n}" for section, most in SECTIONS.items() for n in range(1, most + 1)} - set(
        LEVEL_3.split()
    )
    rows = re.findall(r"^\| (\d+\.\d+\.\d+(?:, \d+\.\d+\.\d+)*) \|", PAGE, re.MULTILINE)
    answered = [number for row in rows for number in row.split(", ")]
    assert sorted(set(answered)) == sorted(answered)
    assert asked - set(answered) == set()
    assert set(answered) - asked == set()


def test_every_test_named_on_the_page_exists() -> None:
    named = re.findall(r"`(?!tests/)(\w+/(?:\w+/)?test_\w+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 90
    for path, name in named:
        file = ROOT / "tests" / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(), f"{path}::{name}"


def test_every_shortfall_is_explained_at_the_top() -> None:
    above = PAGE.split("## Where we fall short")[1].split("## V1 ")[0]
    for row in re.findall(r"^\| ([\d., ]+) \|.*[Ff]alls short", PAGE, re.MULTILINE):
        for number in row.split(", "):
            assert number in above, number
