"""Reading any file gives comparisons or a one-line error."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.pages import draft, unparse

from digest.catalog import files
from digest.errors import BadInput

PAGE = unparse(draft()).encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wild")


@given(
    st.binary() | st.tuples(st.integers(0, len(PAGE)), st.binary(max_size=3)),
    st.sampled_from([".txt", ".json"]),
)
def test_any_bytes_give_a_comparison_or_a_one_line_error(
    place: Path, wild: bytes | tuple[int, bytes], kind: str
) -> None:
    path = place / f"wild{kind}"
    path.write_bytes(wild if isinstance(wild, bytes) else PAGE[: wild[0]] + wild[1] + PAGE[wild[0] :])
    with suppress(BadInput):
        assert all(one.source == path.name for one in files.read_file(path))
        return
    with pytest.raises(BadInput) as caught:
        files.read_file(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    page = tmp_path / "a.txt"
    page.write_bytes(PAGE)
    assert files.find_files([page, tmp_path, page]).files == (page,)


def test_a_folder_with_too_many_files_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 2)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_bytes(PAGE)
    assert "more than 2 files" in files.find_files([tmp_path]).refused[0]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(PAGE)
    (tmp_path / "round").symlink_to(tmp_path)
    assert files.find_files([tmp_path]).files == (tmp_path / "a.txt",)
