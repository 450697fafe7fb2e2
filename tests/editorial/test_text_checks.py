"""What must not reach readers as it was typed is found before the issue is sent, with its place."""

import time

from tests.editorial import factories

from digest.audience.models import Subscriber, TopicChoice
from digest.db import Database
from digest.editorial.checks import issue_checks, markdown_checks, placeholder_checks
from digest.editorial.checks.finding import Finding, Level
from digest.editorial.drafts import pick_edits, text_edits
from digest.editorial.models import Issue
from digest.publications.models import Publication

GOOD = {"sender_address": "digest@verdicts.dev", "postal_address": "1 Main Street"}
MERGE_FIELDS = (
    "{{name}}",
    "{{ first_name | default }}",
    "{{\nname\n}}",
    "{% if x %}",
    "*|FNAME|*",
    "%%name%%",
    "%%First Name%%",
    "%recipient%",
    "%recipient.first_name%",
    "%FIRSTNAME%",
    "%(name)s",
    "[[name]]",
    "[[data:firstname:]]",
    "[% member:first %]",
    "<%= name %>",
    "<<First Name>>",
    "${name}",
    "#{name}",
    "$[FNAME]$",
    "{$name}",
    "{!firstname_fix}",
    "{first_name}",
    '{first_name, "there"}',
    "{NAME}",
    "«First Name»",
    "[firstname,fallback=there]",
    "@FIRSTNAME@",
)
PLACEHOLDERS = (
    "TODO",
    "todo:",
    "FIXME",
    "TBD",
    "TK",
    "TKTK",
    "tktk",
    "XXX",
    "Lorem ipsum",
    "dolor sit amet",
    "[NAME]",
    "[First Name]",
    "[TOOL NAME]",
    "[insert link]",
    "[Your headline]",
    "<your name>",
    "Text goes here",
    "your text here",
)
LITERAL_MARKDOWN = (
    ("A **bold claim", "**bold claim"),
    ("A **bold **claim", "**bold **claim"),
    ("An _open claim", "_open claim"),
    ("An *open claim", "*open claim"),
    ("Some `code", "`code"),
    ("```\ncode", "```"),
    ("[a link] (https://fine.dev)", "[a link] (https://fine.dev)"),
    ("(a link)[https://fine.dev]", "(a link)[https://fine.dev]"),
    ("[a link](https://fine.dev", "[a link](https://fine.dev"),
    ("[a link](https://fine.dev/a b)", "[a link](https://fine.dev/a"),
    ("[a link][nowhere]", "[a link][nowhere]"),
    ("![a picture](https://fine.dev/a.png)", "![]("),
    ("A <b>bold</b> claim", "<b>"),
    ("<!-- later -->", "<!-- later -->"),
    ("~~struck~~", "~~struck~~"),
    ("a | b\n--- | ---\n1 | 2", "--- | ---"),
    ("A claim[^1]", "[^1]"),
)
FINE = (
    "[[1]](https://fine.dev/1)",
    "[us](mailto:us@verdicts.dev)",
    "<https://fine.dev>",
    "*one* **two** _three_ __four__ `five`",
    "`{{ name }}` and `*|FNAME|*` and `TODO`",
    "```\n{{ name }} TODO [NAME] **\n```",
    "snake_case, 2 * 3 * 4, a price* and C++",
    "\\*not emphasis\\* and \\[NAME\\]",
    "5 < 6 > 4 and I <3 this",
    "[sic] [AD] [1] (2026)",
    "[NAME](https://fine.dev) or [NAME][here]\n\n[here]: https://fine.dev",
    "50% of 20%, 100 %, a%20b%20c",
    "A to-do app, Microsoft To Do, TK-1",
    "“quoted” «cité» <<",
    "> ```\n> code\n> ```",
    "- one\n- two **bold**\n\n1. three",
)


def unsaved(intro: str) -> Issue:
    publication = Publication(tagline="", postal_address="1 Main Street")
    return Issue(number=1, subject="A subject", preheader="A preheader", intro=intro, publication=publication)


def check_texts(intro: str) -> list[Finding]:
    issue = unsaved(intro)
    return [*placeholder_checks.check_placeholders(issue), *markdown_checks.check_markdown(issue)]


def draft(session, **texts: str) -> Issue:
    issue = factories.drafted(session, 6, **GOOD)
    text_edits.update_texts(session, issue, issue.revision, **texts)
    return issue


def found(session, issue: Issue) -> list[Finding]:
    return issue_checks.check_issue(session, issue, base_url="https://verdicts.dev")


def test_a_merge_field_of_any_mail_tool_blocks_the_issue() -> None:
    for field in MERGE_FIELDS:
        check = next(iter(check_texts(f"Good morning.\n\nDear {field}, hello")), None)
        assert check is not None, field
        assert (check.name, check.level, check.location) == ("merge field", Level.BLOCKING, "intro"), check
        assert check.text == f"Line 3 of the intro contains {field}, which readers would see as it is."


def test_a_placeholder_is_a_warning_that_says_where_it_is() -> None:
    for placeholder in PLACEHOLDERS:
        checks = [
            check for check in check_texts(f"Hi.\nNow {placeholder} follows") if check.name == "placeholder"
        ]
        assert [(check.level, check.location) for check in checks] == [(Level.WARNING, "intro")], placeholder
        assert checks[0].text == f"Line 2 of the intro contains the placeholder “{placeholder}”."


def test_placeholders_are_found_in_every_text_of_the_issue(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = draft(session, subject="Test", preheader="Also TK", intro="See [this](https://example.com/x)")
        text_edits.update_note(session, issue, issue.picks[1].comparison_id, "TBD")
        issue.publication.postal_address = "[YOUR ADDRESS]"
        issue.picks[2].version.left.description = "Lorem ipsum dolor"
        assert {(check.location, check.text) for check in found(session, issue)} == {
            ("subject", "The subject contains the placeholder “Test”."),
            ("preheader", "The preheader contains the placeholder “TK”."),
            ("intro", "The intro links to https://example.com/x, which is a placeholder."),
            (f"note-{issue.picks[1].comparison_id}", "The note on pick 2 contains the placeholder “TBD”."),
            ("publication", "The postal address contains the placeholder “[YOUR ADDRESS]”."),
            ("picks", "Tool4 vs Tool5, pick 3, contains the placeholder “Lorem ipsum”."),
        }


def test_markdown_that_would_be_shown_as_typed_is_a_warning() -> None:
    for markdown, quoted in LITERAL_MARKDOWN:
        checks = check_texts(f"Good morning.\n\n{markdown}")
        found = [(check.name, check.level, check.location) for check in checks]
        assert found == [("Markdown", Level.WARNING, "intro")], markdown
        line = 4 if "|" in markdown else 3
        assert checks[0].text.startswith(f"Line {line} of the intro: “{quoted}” "), checks[0].text


def test_what_renders_as_it_was_meant_has_no_findings() -> None:
    for text in FINE:
        assert check_texts(text) == [], text


def test_a_tool_that_is_named_but_not_in_the_issue_is_a_warning(db: Database) -> None:
    with db.begin() as session:
        factories.compare(session, "Mistral-Next", "Cursor", days_ago=90)
        issue = draft(
            session,
            subject="Tool0 or Mistral-Next?",
            preheader="Move the cursor to Tool2's verdict",
            intro="*Mistral Next* lost, and so did **Cursor**.",
        )
        named = [
            (check.location, check.text) for check in found(session, issue) if check.name == "absent tool"
        ]
        assert named == [
            ("subject", "The subject names Mistral-Next, which is not in this issue."),
            ("intro", "The intro names Mistral-Next, which is not in this issue."),
            ("intro", "The intro names Cursor, which is not in this issue."),
        ]


def test_the_longest_name_counts_where_names_overlap(db: Database) -> None:
    with db.begin() as session:
        factories.compare(session, "GPT 5", "Rival", days_ago=90)
        factories.compare(session, "GPT 5 mini", "Rival")
        issue = draft(session, intro="GPT-5 mini is here.")
        assert "GPT 5 mini" in {pick.version.left.tool.name for pick in issue.picks}
        assert found(session, issue) == []


def test_removing_a_pick_shows_that_the_subject_still_names_its_tools(db: Database) -> None:
    with db.begin() as session:
        issue = draft(session, subject="Why Tool0 won")
        assert found(session, issue) == []
        pick_edits.drop_pick(session, issue, issue.picks[0].comparison_id)
        assert "The subject names Tool0, which is not in this issue." in [
            c.text for c in found(session, issue)
        ]


def test_a_text_that_names_a_pick_which_some_of_its_readers_do_not_get_is_a_warning(db: Database) -> None:
    with db.begin() as session:
        issue = draft(session, subject="A subject", intro="Tool0 beat Tool1, and *Tool2* is back.")
        for pick, category in zip(issue.picks, ("Agents", "Search", "Video", "Audio", "Video"), strict=True):
            pick.version.left.category = pick.version.right.category = category
        text_edits.update_note(session, issue, issue.picks[2].comparison_id, "Unlike Tool8, or Tool4 itself.")
        text_edits.update_note(session, issue, issue.picks[3].comparison_id, "Better than Tool4.")
        assert found(session, issue) == []  # every reader gets everything

        choose_topic(session, issue, "Video")
        lead = "The intro names Tool0 and Tool1 (pick 1). Readers who chose only Audio, Search or Video do not get it."
        assert [(check.location, check.text) for check in found(session, issue)] == [
            ("intro", lead),
            (
                "intro",
                "The intro names Tool2 (pick 2). Readers who chose only Agents, Audio or Video do not get it.",
            ),
            (
                f"note-{issue.picks[3].comparison_id}",
                "The note on pick 4 names Tool4 (pick 3). Readers who chose only Audio do not get it.",
            ),
        ]


def choose_topic(session, issue: Issue, topic: str) -> None:
    reader = Subscriber(address="ada@example.org", address_key="ada@example.org", created_at=factories.NOW)
    session.add(reader)
    session.flush()
    session.add(TopicChoice(publication_id=issue.publication_id, subscriber_id=reader.id, topic=topic))


def test_hostile_texts_are_checked_quickly() -> None:
    began = time.process_time()
    for text in ("{{", "[[", "[a](", "**", "`", "<a", "<<", "[INSERT ", "_a", "a "):
        check_texts((text * 2_500)[:5_000])
    assert time.process_time() - began < 5
