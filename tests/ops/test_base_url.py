"""The base URL: valid ones are normalised, invalid ones refused with a clear sentence."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from digest.app import create_context
from digest.base_url import parse_base_url
from digest.cli.processes.ports import last_port
from digest.cli.setup import init
from digest.config import load
from digest.errors import BadInput, BadSetting

GOOD = {
    "https://news.example.org": "https://news.example.org",
    " HTTPS://News.Example.org./ ": "https://news.example.org",
    "https://news.example.org//": "https://news.example.org",
    "https://news.example.org:443": "https://news.example.org",
    "http://news.example.org:80/": "http://news.example.org",
    "https://news.example.org:8443": "https://news.example.org:8443",
    "http://127.0.0.1:8000": "http://127.0.0.1:8000",
    "http://[::1]:8000": "http://[::1]:8000",
    "http://localhost": "http://localhost",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://BÜCHER。example": "https://xn--bcher-kva.example",
    "https://faß.example": "https://xn--fa-hia.example",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
}
BAD = {
    "": "web address",
    "news.example.org": "web address",
    "ftp://news.example.org": "web address",
    "https://": "web address",
    "https:news.example.org": "web address",
    "https://example.org/news": "path '/news'",
    "https://news.example.org?": "query",
    "https://news.example.org/?a=1": "query",
    "https://news.example.org#top": "query",
    "https://user@news.example.org": "user name",
    "https://user:pass@news.example.org": "user name",
    "https://news.example.org:port": "port",
    "https://news.example.org:0": "port",
    "https://news.example.org:65536": "port",
    "https://news .example.org": "space",
    "https://news.example.org /": "space",
    "https://news.example.org\\@evil.example": "backslash",
    "https://news.example.org\n.evil.example": "space",
    "http://[::1": "host",
    "http://[::g]": "host",
    "https://-news.example.org": "host",
    "https://news_1.example.org": "host",
    "https://news..example.org": "host",
    "https://news.example.org%2f": "host",
    "https://999.1.1.1": "host",
    "https://1.2.3": "host",
    "https://☃.example": "host",
    f"https://{'a' * 64}.example": "host",
}


def test_a_good_base_url_has_one_spelling() -> None:
    assert {text: parse_base_url(text) for text in GOOD} == GOOD
    for parsed in GOOD.values():
        assert parse_base_url(parsed) == parsed


def test_a_bad_base_url_is_refused_with_a_sentence_that_says_why() -> None:
    for text, word in BAD.items():
        with pytest.raises(ValueError, match=rf"^(is|has|contains) .*{word}"):
            parse_base_url(text)


def test_the_url_that_up_stored_is_validated_like_a_setting(tmp_path: Path) -> None:
    (tmp_path / "base-url").write_text("http://127.0.0.1:9000/\n")
    assert load(home=tmp_path).site() == "http://127.0.0.1:9000"
    (tmp_path / "base-url").write_text("http://127.0.0.1:x\n")
    with pytest.raises(BadSetting, match="base-url has an invalid port"):
        load(home=tmp_path).site()


def test_the_sign_in_link_of_init_leads_to_the_port_that_up_will_use(tmp_path: Path) -> None:
    said = CliRunner().invoke(init, ["--port", "9123"], obj=create_context(home=tmp_path)).output
    assert "http://127.0.0.1:9123/desk/enter/" in said
    context = create_context(home=tmp_path)
    assert last_port(context.settings()) == 9123
    assert "http://127.0.0.1:9123/desk/enter/" in CliRunner().invoke(init, obj=context).output


def test_init_refuses_a_port_that_contradicts_the_base_url(tmp_path: Path) -> None:
    context = create_context(home=tmp_path, base_url="https://news.example.org")
    refused = CliRunner().invoke(init, ["--port", "9123"], obj=context)
    assert isinstance(refused.exception, BadInput)
    assert "https://news.example.org/desk/enter/" in CliRunner().invoke(init, obj=context).output
