"""What counts as an address."""

import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.audience.address import (
    REFUSED_LOCAL_PARTS,
    _refuse_mixed_scripts,
    clean,
    mask,
    normalize,
    suggest_correction,
)
from digest.errors import BadInput


@pytest.mark.parametrize(
    ("typed", "mailed", "key"),
    [
        (" Ada.Lovelace+News@Example.ORG ", "Ada.Lovelace+News@example.org", "ada.lovelace+news@example.org"),
        ("ada@bücher.example.org", "ada@xn--bcher-kva.example.org", "ada@xn--bcher-kva.example.org"),
        ("ada@XN--BCHER-KVA.example.org", "ada@xn--bcher-kva.example.org", "ada@xn--bcher-kva.example.org"),
        ("JÖRG@example.org", "JÖRG@example.org", "jörg@example.org"),
        ("Jo\u0308rg@example.org", "Jörg@example.org", "jörg@example.org"),
        ("info@example.org", "info@example.org", "info@example.org"),
        ("o'hara@example.org", "o'hara@example.org", "o'hara@example.org"),
        ("ada@ひらがなカタカナ漢字.example.org", None, None),
    ],
)
def test_an_address_is_mailed_as_typed_and_compared_as_one(
    typed: str, mailed: str | None, key: str | None
) -> None:
    found = normalize(typed)
    if mailed is not None:
        assert (found.address, found.key) == (mailed, key)


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "ada", "ada@", "@example.org", "a b@example.org", "a@b@example.org", "ada@example", "ada@localhost",
        "ada@[127.0.0.1]", '"ada lovelace"@example.org', "ada@example.org\nbcc: x@example.org", "ada..b@example.org",
        ".ada@example.org", "ada@-example.org", "x" * 65 + "@example.org",
        "a@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + "." + "e" * 63 + ".org", "a\0@example.org",
    ],
)  # fmt: skip
def test_an_invalid_address_is_refused_with_a_reason_in_one_line(typed: str) -> None:
    with pytest.raises(BadInput) as caught:
        normalize(typed)
    assert "\n" not in str(caught.value)


def test_invisible_characters_and_names_copied_with_an_address_are_dropped() -> None:
    copied = [
        "\u200bada@example.org", "ada@example.org\u200b", "\ufeffada@example.org", "a\u200dda@exam\u00adple.org",
        "ada@example.org\u00a0", "\u202aada@example.org\u202c", "\u2066ada@example.org\u2069", "mailto:ada@example.org",
        "MAILTO:ada@example.org?subject=Hello", "Ada Lovelace <ada@example.org>", '"Lovelace, Ada" <ada@example.org>,',
        "<ada@example.org>", "<mailto:ada@example.org>", "ada@example.org,", "ada@example.org;", "ada@example.org.",
        "; ada@example.org ,", "ada\uff20example.org", "\u3000ada@example.org\u2003", "Ada\u00a0<\u200bada@example.org>;",
    ]  # fmt: skip
    assert {text: normalize(text).address for text in copied} == dict.fromkeys(copied, "ada@example.org")
    assert suggest_correction("Ada <ada@gmial.com>,") == "ada@gmail.com"


@pytest.mark.parametrize("local", sorted(REFUSED_LOCAL_PARTS))
def test_role_mailboxes_are_refused(local: str) -> None:
    for typed in (local, local.upper(), f"{local}+news"):
        with pytest.raises(BadInput, match="not a person's mailbox"):
            normalize(f"{typed}@example.org")


@pytest.mark.parametrize("domain", ["аpple.com", "gооgle.com", "раypal.com", "xn--pple-43d.com"])
def test_a_domain_that_mixes_alphabets_is_refused(domain: str) -> None:
    with pytest.raises(BadInput, match="alphabets"):
        normalize(f"ada@{domain}")


@pytest.mark.parametrize(
    "domain", ["почта.example.org", "müller-straße.de", "東京abc.jp", "서울.kr", "кафе.com"]
)
def test_a_domain_in_one_alphabet_is_accepted(domain: str) -> None:
    assert normalize(f"ada@{domain}").address.isascii()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ada@gmial.com", "ada@gmail.com"),
        ("ada@gmai.com", "ada@gmail.com"),
        ("ada@gmaill.com", "ada@gmail.com"),
        ("ada@gmail.con", "ada@gmail.com"),
        ("ada@hotnail.com", "ada@hotmail.com"),
        ("ada@outlok.com", "ada@outlook.com"),
        ("ada@gmail.com", None),
        ("ada@ymail.com", None),
        ("ada@example.org", None),
        ("no address", None),
    ],
)
def test_a_likely_typo_gets_a_suggestion(typed: str, meant: str | None) -> None:
    assert suggest_correction(typed) == meant


def test_an_address_is_masked_on_pages() -> None:
    assert mask("ada@example.org") == "a•••@example.org"
    assert mask(None) == "erased"


def reference(text: str) -> tuple[str, str] | None:
    """The long way: the library's answer for every address, and what we ask beyond it."""
    text = clean(text)
    try:
        if len(text) > 254 or "=?" in text:
            return None
        valid = validate_email(text, strict=True, check_deliverability=False)
        if valid.local_part.partition("+")[0].casefold() in REFUSED_LOCAL_PARTS:
            return None
        _refuse_mixed_scripts(valid.ascii_domain)
    except (EmailNotValidError, BadInput):
        return None
    key = unicodedata.normalize("NFC", valid.local_part.casefold())
    return f"{valid.local_part}@{valid.ascii_domain}", f"{key}@{valid.ascii_domain}"


locals_ = st.one_of(
    st.text("abzAZ09._+-'!#$%&*/=?^`{|}~ \"(),:;<>@[]\\éß\u0308\u200b\n", max_size=12),
    st.from_regex(r"[A-Za-z0-9.+_-]{1,70}", fullmatch=True),
    st.sampled_from(["info", "INFO", "Abuse", "www", "sales+x", "noreply"]),
)
domains = st.one_of(
    st.text("abzAZ09.-xn_éßа。．\u200d ", max_size=20),
    st.from_regex(r"([a-zA-Z0-9-]{1,65}\.){1,4}[a-zA-Z0-9]{1,5}", fullmatch=True),
    st.sampled_from(
        [
            "example.org",
            "EXAMPLE.Org",
            "x.test",
            "xn--bcher-kva.org",
            "ab--cd.org",
            "localhost",
            "a.1",
            "é.org",
        ]
    ),
)


@given(st.one_of(st.builds("{}@{}".format, locals_, domains), st.text(max_size=30)))
@example("A@Example.org")
@example("a@example.org.")
@example("mailto:a@example.org")
@example("a" * 64 + "@example.org")
@example("a" * 65 + "@example.org")
@example("a@" + ".".join(["b" * 63] * 3) + "." + "c" * 58 + ".org")
@example("K@example.org")  # the Kelvin sign
@settings(max_examples=250, deadline=None)
def test_the_fast_path_agrees_with_the_library(text: str) -> None:
    try:
        found = normalize(text)
        ours = (found.address, found.key)
    except BadInput:
        ours = None
    assert ours == reference(text)
