import pytest
from tests.render.balance import Shape, faults

from digest.errors import BadInput
from digest.render.letters import KINDS, RenderedLetter, render_letter

U = "https://verdicts.example.org"
SHARED = {"publication": "Weekly Tool Verdicts", "postal_address": "Example Press Ltd\n10115 Berlin"}
FACTS: dict[str, dict[str, object]] = {
    "confirm": {
        "confirm_url": f"{U}/confirm/C",
        "asked_at": "22 November 2026, 09:14 UTC",
        "expires": "72 hours",
    },
    "welcome": {"preferences_url": f"{U}/preferences/P", "unsubscribe_url": f"{U}/unsubscribe/U"},
    "known": {
        "preferences_url": f"{U}/preferences/P",
        "unsubscribe_url": f"{U}/unsubscribe/U",
        "asked_at": "today",
    },
    "sign_in": {"sign_in_url": f"{U}/desk/sign-in/S", "expires": "30 minutes"},
    "invitation": {
        "sign_in_url": f"{U}/desk/enter/S",
        "expires": "7 days",
        "inviter": "ana@example.org",
        "role": "editor",
    },
    "notice": {"heading": "Issue 41 is paused", "paragraphs": ["The relay refused us.", "6,199 wait."]},
}


def made(kind: str, **more: object) -> RenderedLetter:
    return render_letter(kind, SHARED | FACTS[kind] | more)


@pytest.mark.parametrize("kind", KINDS)
def test_each_letter_says_the_same_in_both_parts(kind: str) -> None:
    one = made(kind)
    html, text = Shape(one.html).text, " ".join(one.text.split())
    facts = [fact for fact in FACTS[kind].values() if isinstance(fact, str)]
    for words in (SHARED["publication"], "10115 Berlin", *facts):
        assert words in text
        assert words in html or f'href="{words}"' in one.html
    assert one.subject
    assert faults(one.html) == []
    assert len(one.html) < 12_000


@pytest.mark.parametrize("kind", KINDS)
def test_no_letter_tracks_or_loads_anything(kind: str) -> None:
    for tag, attributes in Shape(made(kind).html).tags:
        assert tag not in {"img", "link", "script", "iframe"}
        assert "/go/" not in str(attributes.get("href"))


@pytest.mark.parametrize("kind", KINDS)
def test_letters_ask_for_no_automatic_replies(kind: str) -> None:
    assert ("Auto-Submitted", "auto-generated") in made(kind).headers


def test_the_confirmation_says_who_asked_and_when() -> None:
    one = made("confirm", network="203.0.113.0/24")
    for part in (one.html, one.text):
        assert "22 November 2026, 09:14 UTC" in part
        assert "203.0.113.0/24" in part
        assert "72 hours" in part
        assert "ignore this email" in part


def test_only_letters_to_subscribers_offer_one_click_unsubscribe() -> None:
    leaving = {kind for kind in KINDS if "List-Unsubscribe-Post" in dict(made(kind).headers)}
    assert leaving == {"welcome", "known"}
    assert dict(made("welcome").headers)["List-Unsubscribe"] == f"<{U}/unsubscribe/U>"


def test_a_notice_has_one_link_or_none() -> None:
    assert "<a " not in made("notice").html
    one = made("notice", link_url=f"{U}/desk/issues/41", link_label="Look at issue 41")
    assert f"Look at issue 41:\n{U}/desk/issues/41" in one.text


def test_a_hostile_fact_is_text() -> None:
    trick = "{{ 7*7 }} <script>x</script>\r\nBcc: a@example.org"
    one = made("notice", heading=trick, paragraphs=[trick])
    assert one.subject == "Weekly Tool Verdicts: {{ 7*7 }} <script>x</script> Bcc: a@example.org"
    assert "script" not in {tag for tag, _ in Shape(one.html).tags}
    assert "{{ 7*7 }}" in one.text


def test_a_missing_fact_is_named() -> None:
    with pytest.raises(BadInput, match="the letter confirm needs confirm_url, expires"):
        render_letter("confirm", SHARED | {"asked_at": "today"})
    with pytest.raises(BadInput, match="no letter called 'thanks'"):
        render_letter("thanks", SHARED)
    with pytest.raises(BadInput, match="list of strings"):
        made("notice", paragraphs="one")


def test_a_letter_is_english_around_a_name_that_runs_the_other_way() -> None:
    one = made("invitation", publication="أحكام الأدوات 75%", inviter="\u202eevil\u202c <b>")
    assert '<html lang="en" dir="ltr"' in one.html
    assert "the desk of \u2068أحكام الأدوات 75%\u2069 as an editor" in Shape(one.html).text
    assert "\u202e" not in one.html + one.text + one.subject
    assert one.subject == "evil <b> invites you to \u2068أحكام الأدوات 75%\u2069"
