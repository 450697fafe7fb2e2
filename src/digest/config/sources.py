"""Where settings come from: the environment, files that it names, and digest.toml. Each value knows its source."""

import os
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from digest.config.spelling import describe_unknown
from digest.errors import BadSetting

PREFIX: Final = "DIGEST_"
FILE_SUFFIX: Final = "_FILE"
CONFIG_VARIABLE: Final = "DIGEST_CONFIG"
DEFAULT_CONFIG: Final = Path("digest.toml")
NO_CONFIG: Final = "none"


@dataclass(frozen=True)
class Given:
    """A setting as it was written."""

    text: str
    source: str  # for a person: "environment", or the path of a file
    label: str  # what an error calls it: "DIGEST_SMTP_URL", or "smtp_url in /etc/digest.toml"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def read(
    environment: Mapping[str, str], names: Collection[str], config: str | None = None
) -> dict[str, Given]:
    """Every setting that is given, by name: from the environment, else from a file it names, else from digest.toml.

    `config` overrides DIGEST_CONFIG. Raises BadSetting for a file that cannot be read, a setting that is given both
    by value and by file, and an unknown name in digest.toml.
    """
    present = {name.upper(): value for name, value in sorted(environment.items()) if value.strip()}
    config = present.get(CONFIG_VARIABLE) if config is None else config
    return {
        **dict(_from_toml(_find_config(config), names)),
        **dict(_from_files(present, names)),
        **{
            name: Given(present[variable(name)], "environment", variable(name))
            for name in names
            if variable(name) in present
        },
    }


def _from_files(present: Mapping[str, str], names: Collection[str]) -> Iterator[tuple[str, Given]]:
    """`DIGEST_SMTP_URL_FILE=/run/secrets/smtp_url`, as Docker and Kubernetes mount secrets."""
    for name in names:
        file_variable = variable(name) + FILE_SUFFIX
        if file_variable not in present:
            continue
        if variable(name) in present:
            raise BadSetting(f"{variable(name)} and {file_variable} are both set; unset one of them")
        path = Path(present[file_variable])
        text = _read_text(path, file_variable).strip()
        if not text:
            raise BadSetting(f"{file_variable}: {path} is empty")
        yield name, Given(text, str(path), f"{variable(name)} in {path}")


def _find_config(config: str | None) -> Path | None:
    if config is None:
        if not DEFAULT_CONFIG.exists():
            return None
        _refuse_of_others(DEFAULT_CONFIG)
        return DEFAULT_CONFIG
    return None if config == NO_CONFIG else Path(config)


def _refuse_of_others(path: Path) -> None:
    """Refuse a file that nobody named and that another user may have put there: it says where all email goes."""
    found = path.stat()
    owners = {found.st_uid, path.lstat().st_uid}
    if not owners <= {0, os.geteuid()} or found.st_mode & stat.S_IWOTH:
        raise BadSetting(
            f"{path.absolute()} could have been written by another user; "
            f"set {CONFIG_VARIABLE} to its path to use it, or to {NO_CONFIG}"
        )


def _from_toml(path: Path | None, names: Collection[str]) -> Iterator[tuple[str, Given]]:
    if path is None:
        return
    try:
        table = tomllib.loads(_read_text(path, CONFIG_VARIABLE))
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{path} is not valid TOML: {error}") from None
    for name, value in table.items():
        label = f"{name} in {path}"
        if name not in names:
            raise BadSetting(f"{label} is not a setting; {describe_unknown(name, names)}")
        yield name, Given(_as_text(value, label), str(path), label)


def _as_text(value: Any, label: str) -> str:
    """A TOML value as the environment would hold it: a list with spaces between, a table as `name=value, …`."""
    if isinstance(value, list):
        return " ".join(_as_text(item, label) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_as_text(item, label)}" for name, item in value.items())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadSetting(f"{label} is not text; put it in quotation marks")
    return str(value)


def _read_text(path: Path, label: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"{label}: {path} cannot be read: {error.strerror}") from None
    except ValueError:  # not UTF-8, or a path with a null character
        raise BadSetting(f"{label}: {path} is not a text file in UTF-8") from None
