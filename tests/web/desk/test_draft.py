"""Editing a draft."""

import re

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select, update
from tests.web.desk.clients import (
    draft_form,
    get,
    load_issue,
    load_picks,
    pick_order,
    post,
    signed_in,
    undo_button,
)
from tests.web.factories import Site, create_comparison
from werkzeug.test import TestResponse

from digest.catalog.models import ComparisonVersion, Review
from digest.db import utcnow
from digest.editorial.models import Issue, Rejection, State

DRAFT = "/desk/issues/1"


def add_comparison(desk: Site) -> None:
    with desk.db.begin() as session:
        create_comparison(session, 0, 4, days_ago=-1)


def correct_comparison(desk: Site, comparison_id: int) -> None:
    with desk.db.begin() as session:
        old = session.scalars(select(ComparisonVersion).filter_by(comparison_id=comparison_id)).one()
        columns = {column.key: getattr(old.left, column.key) for column in Review.__table__.columns}
        review = Review(**columns | {"id": None, "fingerprint": "corrected", "entry_price": "$99/mo"})
        session.add(
            ComparisonVersion(
                comparison_id=comparison_id,
                number=2,
                fingerprint="corrected",
                left=review,
                right=old.right,
                source="test",
                published_at=old.published_at,
                imported_at=utcnow(),
            )
        )


def test_a_pick_moves_up_and_down_with_a_button(desk: Site) -> None:
    editor = signed_in(desk)
    before = pick_order(desk)
    post(editor, DRAFT, action=f"move_down:{before[0]}")
    assert pick_order(desk) == [before[1], before[0], *before[2:]]
    post(editor, DRAFT, action=f"move_up:{before[0]}")
    assert pick_order(desk) == before


def test_every_button_saves_unsaved_texts(desk: Site) -> None:
    editor = signed_in(desk)
    first, *_ = before = pick_order(desk)
    typed = draft_form(editor) | {
        "intro": "Half a thought",
        f"note-{first}": "Mind the price.",
        "action": f"move_down:{first}",
    }
    post(editor, DRAFT, **typed)
    assert pick_order(desk) != before
    assert load_issue(desk).intro == "Half a thought"
    assert "Mind the price." in [pick.note for pick in load_picks(desk)]


def test_a_removed_pick_is_restored_in_place_with_its_note(desk: Site) -> None:
    editor = signed_in(desk)
    before = pick_order(desk)
    post(editor, DRAFT, **draft_form(editor) | {f"note-{before[1]}": "A note & more", "action": "save"})
    page = post(editor, DRAFT, action=f"remove:{before[1]}").get_data(as_text=True)
    assert before[1] not in pick_order(desk)
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert pick_order(desk) == before
    back = load_picks(desk)[1]
    assert (back.note, back.pinned) == ("A note & more", False)


def test_a_pinned_pick_survives_a_new_draft_and_an_excluded_one_stays_out(desk: Site) -> None:
    editor = signed_in(desk)
    *_, before, last = pick_order(desk)
    post(editor, DRAFT, action=f"pin:{last}")
    post(editor, DRAFT, action=f"remove:{before}")
    page = regenerate(editor, post(editor, DRAFT, action="regenerate").text)
    assert "Regenerated: 1 pick added." in page
    assert last in pick_order(desk)
    assert before not in pick_order(desk)
    assert "Excluded" in page


def regenerate(editor: FlaskClient, preview: str) -> str:
    plan = re.search(r'name="plan" value="(\w+)"', preview)
    assert plan
    return post(editor, f"{DRAFT}/regenerate", plan=plan[1]).text


def test_regenerating_previews_its_changes_and_can_be_undone(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    order = ",".join(map(str, reversed(before)))
    post(editor, DRAFT, action=f"reorder:{before[0]}", order=order)
    add_comparison(desk)
    preview = post(editor, DRAFT, action="regenerate").text
    assert re.search(r"1 pick removed.*1 pick added.*4 picks stay", preview, re.DOTALL)
    assert pick_order(desk) == before[::-1]
    page = regenerate(editor, preview)
    assert "Regenerated: 1 pick added, 1 removed." in page
    stays = [number for number in before[::-1] if number in pick_order(desk)]
    assert [number for number in pick_order(desk) if number in stays] == stays
    assert len(stays) == 4
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert pick_order(desk) == before[::-1]


def test_only_what_was_shown_is_regenerated(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    assert "Nothing would change" in get(editor, f"{DRAFT}/regenerate")
    add_comparison(desk)
    preview = get(editor, f"{DRAFT}/regenerate")
    post(editor, DRAFT, action=f"remove:{before[0]}")
    page = regenerate(editor, preview)
    assert "Nothing was changed: the comparisons have changed since" in page
    assert pick_order(desk) == before[1:]


def test_a_pick_can_be_updated_to_a_new_version_and_back(desk: Site) -> None:
    editor, lead = signed_in(desk), load_picks(desk)[0]
    assert "A newer version is available" not in get(editor, DRAFT)
    correct_comparison(desk, lead.comparison_id)
    page = get(editor, DRAFT)
    assert page.count("A newer version is available") == 1
    assert "<del>" in page
    page = post(editor, DRAFT, action=f"use_new_version:{lead.comparison_id}").text
    assert "now shows its newest version" in page
    assert "A newer version is available" not in page
    assert load_picks(desk)[0].version_id != lead.version_id
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert load_picks(desk)[0].version_id == lead.version_id


def test_any_comparison_can_be_found_and_added(desk: Site) -> None:
    editor = signed_in(desk)
    with desk.db.read() as session:
        left_out = session.scalars(select(Rejection.comparison_id)).first()
    page = post(editor, DRAFT, **draft_form(editor) | {"find": "parsnip lantern", "action": "save"}).get_data(
        as_text=True
    )
    assert "1 comparison for “parsnip lantern”" in page
    page = post(editor, DRAFT, action=f"add:{left_out}").get_data(as_text=True)
    assert pick_order(desk)[-1] == left_out
    assert "was added as the last pick" in page


def test_an_alternative_can_be_swapped_in_and_back(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    page = get(editor, DRAFT)
    swap = re.search(r'value="swap:(\d+)-(\d+)"', page)
    assert swap
    out, rival = int(swap[1]), int(swap[2])
    page = post(editor, DRAFT, action=swap[0][7:-1]).get_data(as_text=True)
    assert pick_order(desk) == [rival if number == out else number for number in before]
    assert "Excluded" in page
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert pick_order(desk) == before


def test_a_dragged_order_that_misses_a_pick_is_refused(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    wanted = [*before[1:], before[0]]
    page = post(editor, DRAFT, action=f"reorder:{before[0]}", order=",".join(map(str, wanted))).get_data(
        as_text=True
    )
    assert pick_order(desk) == wanted
    assert "is now number 5 of 5" in page
    for wrong in ("", "x", ",".join(map(str, before[1:]))):
        page = post(editor, DRAFT, action="reorder", order=wrong).get_data(as_text=True)
        assert "changed the picks" in page
    assert pick_order(desk) == wanted


def test_an_order_dragged_just_before_a_button_is_kept(desk: Site) -> None:
    editor, before = signed_in(desk), pick_order(desk)
    wanted = [*before[1:], before[0]]
    post(editor, DRAFT, action=f"remove:{before[1]}", order=",".join(map(str, wanted)))
    assert pick_order(desk) == wanted[1:]
    post(editor, DRAFT, action=f"pin:{before[2]}", order="no,order")
    assert pick_order(desk) == wanted[1:]


def test_a_comparison_can_be_excluded_and_restored(desk: Site) -> None:
    editor = signed_in(desk)
    with desk.db.read() as session:
        left_out = session.scalars(select(Rejection.comparison_id)).first()
    assert "Excluded" in post(editor, DRAFT, action=f"remove:{left_out}").get_data(as_text=True)
    assert "Excluded" not in post(editor, DRAFT, action=f"restore:{left_out}").get_data(as_text=True)


def test_every_action_can_be_undone(desk: Site) -> None:
    editor, (first, second, *_) = signed_in(desk), pick_order(desk)
    for action in (f"move_down:{first}", f"pin:{second}", f"remove:{first}", f"move_up:{second}"):
        before = [(pick.comparison_id, pick.pinned) for pick in load_picks(desk)]
        page = post(editor, DRAFT, action=action).get_data(as_text=True)
        if [(pick.comparison_id, pick.pinned) for pick in load_picks(desk)] != before:
            path, fields = undo_button(page)
            post(editor, path, **fields)
        assert [(pick.comparison_id, pick.pinned) for pick in load_picks(desk)] == before, action


def test_undoing_an_added_pick_does_not_exclude_it(desk: Site) -> None:
    def left_out() -> list[tuple[int, bool, str]]:
        with desk.db.read() as session:
            columns = (Rejection.comparison_id, Rejection.is_excluded, Rejection.reason)
            return sorted(tuple(row) for row in session.execute(select(*columns)))

    editor, before, picked = signed_in(desk), left_out(), pick_order(desk)
    path, fields = undo_button(post(editor, DRAFT, action=f"add:{before[0][0]}").get_data(as_text=True))
    post(editor, path, **fields)
    assert (left_out(), pick_order(desk)) == (before, picked)


def test_adding_a_pick_that_is_already_there_pins_it_and_undo_does_not_remove_it(desk: Site) -> None:
    editor, (first, *rest) = signed_in(desk), pick_order(desk)
    page = post(editor, DRAFT, action=f"add:{first}").get_data(as_text=True)
    assert "is pinned" in page
    path, fields = undo_button(page)
    post(editor, path, **fields)
    assert pick_order(desk) == [first, *rest]


def test_the_longest_note_is_restored_with_its_pick(desk: Site) -> None:
    editor, (first, *_) = signed_in(desk), pick_order(desk)
    post(editor, DRAFT, **draft_form(editor) | {f"note-{first}": "long " * 900, "action": "save"})
    path, fields = undo_button(post(editor, DRAFT, action=f"remove:{first}").get_data(as_text=True))
    post(editor, path, **fields)
    assert load_picks(desk)[0].note == ("long " * 900).strip()


def test_two_editors_at_once_lose_nothing(desk: Site) -> None:
    one, other = signed_in(desk), signed_in(desk, "owner")
    mine, theirs = draft_form(one), draft_form(other)
    post(other, DRAFT, **theirs | {"intro": "Written by the owner", "action": "save"})
    answer = post(
        one, DRAFT, **mine | {"intro": "Written by the editor", "subject": "A new subject", "action": "save"}
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert (load_issue(desk).intro, load_issue(desk).subject) == ("Written by the owner", "A new subject")
    assert "Written by the editor</textarea>" in page
    assert 'name="mine-intro" value="Written by the editor"' in page
    assert 'Written by the <mark class="mark-theirs">owner</mark>' in page


def clashing(desk: Site, base: str, mine: str, theirs: str) -> tuple[FlaskClient, str]:
    """Two editors start from `base` as the intro and edit it at once; the one with the conflict, and their page."""
    one, other = signed_in(desk), signed_in(desk, "owner")
    post(one, DRAFT, **draft_form(one) | {"intro": base, "action": "save"})
    begun, theirs_begun = draft_form(one), draft_form(other)
    post(other, DRAFT, **theirs_begun | {"intro": theirs, "action": "save"})
    answer = post(one, DRAFT, **begun | {"intro": mine, "action": "save"})
    assert answer.status_code == 409
    return one, answer.get_data(as_text=True)


def settle(client: FlaskClient, page: str, choice: str, **fields: str) -> TestResponse:
    hidden = dict(re.findall(r'name="((?:base|mine)-[^"]+)" value="([^"]*)"', page))
    return post(client, f"{DRAFT}/resolve-conflict", **hidden, **{"choice-intro": choice}, **fields)


@pytest.mark.parametrize(
    ("choice", "kept"), [("mine", "Mine"), ("theirs", "Theirs"), ("merged", "Written by both")]
)
def test_after_an_edit_conflict_the_issue_has_the_chosen_texts(desk: Site, choice: str, kept: str) -> None:
    one, page = clashing(desk, "", "Mine", "Theirs")
    settle(one, page, choice, **{"merged-intro": "Written by both"})
    assert load_issue(desk).intro == kept


def test_changes_that_do_not_overlap_are_merged(desk: Site) -> None:
    _, page = clashing(
        desk, "A good week. And a long one.", "A quiet week. And a long one.", "A good week. And a short one."
    )
    assert "A quiet week. And a short one.</textarea>" in page
    assert 'value="merged" checked' in page


def test_a_third_change_during_an_edit_conflict_is_shown_again(desk: Site) -> None:
    one, page = clashing(desk, "", "Mine", "Theirs")
    owner = signed_in(desk, "owner")
    post(owner, DRAFT, **draft_form(owner) | {"intro": "Theirs, once more", "action": "save"})
    answer = settle(one, page, "mine")
    assert (answer.status_code, load_issue(desk).intro) == (409, "Theirs, once more")
    settle(one, answer.get_data(as_text=True), "mine")
    assert load_issue(desk).intro == "Mine"


def test_a_note_on_a_pick_that_someone_removed_is_not_lost(desk: Site) -> None:
    one, other, (first, *_) = signed_in(desk), signed_in(desk, "owner"), pick_order(desk)
    begun = draft_form(one)
    post(other, DRAFT, action=f"remove:{first}")
    answer = post(one, DRAFT, **begun | {f"note-{first}": "An hour of work", "action": "save"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "The pick was removed" in page
    assert first not in pick_order(desk)
    hidden = dict(re.findall(r'name="((?:base|mine)-[^"]+)" value="([^"]*)"', page))
    post(one, f"{DRAFT}/resolve-conflict", **hidden, **{f"choice-note-{first}": "mine"})
    assert load_picks(desk)[-1].note == "An hour of work"


def test_two_editors_can_change_different_texts_at_once(desk: Site) -> None:
    one, other = signed_in(desk), signed_in(desk, "owner")
    mine, theirs = draft_form(one), draft_form(other)
    post(other, DRAFT, **theirs | {"intro": "The owner's intro", "action": "save"})
    post(one, DRAFT, **mine | {"subject": "The editor's subject", "action": "save"})
    stored = load_issue(desk)
    assert (stored.intro, stored.subject) == ("The owner's intro", "The editor's subject")


def test_a_text_that_is_too_long_is_reported_and_kept_in_the_form(desk: Site) -> None:
    editor = signed_in(desk)
    answer = post(
        editor, DRAFT, **draft_form(editor) | {"intro": "x" * 20_001, "subject": "Fine", "action": "save"}
    )
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert "20001 characters are too many" in page
    assert "x" * 20_001 in page
    assert 'value="Fine"' in page


def test_markdown_is_previewed_and_its_scripts_never_run(desk: Site) -> None:
    editor = signed_in(desk)
    hostile = "A *good* week <script>alert(1)</script> [x](javascript:alert(1))"
    page = post(editor, DRAFT, **draft_form(editor) | {"intro": hostile, "action": "save"}).get_data(
        as_text=True
    )
    assert "<em>good</em>" in page
    assert "<script>" not in page
    assert 'href="javascript' not in page
    assert "style=" not in page


def test_texts_submitted_after_the_session_ended_are_returned(desk: Site) -> None:
    editor = signed_in(desk)
    typed = draft_form(editor) | {"intro": "An hour of work", "action": "save"}
    post(editor, "/desk/end-sessions")
    answer = post(editor, DRAFT, **{k: v for k, v in typed.items() if k != "csrf_token"})
    assert answer.status_code == 401
    assert "An hour of work" in answer.get_data(as_text=True)


def test_every_pick_and_every_rejected_comparison_shows_its_reason(desk: Site) -> None:
    page = get(signed_in(desk, "viewer"), DRAFT)
    for pick in load_picks(desk):
        assert str(escape(pick.reason)) in page
    with desk.db.read() as session:
        reasons = list(session.scalars(select(Rejection.reason)))
    assert len(reasons) == 2
    assert all(str(escape(reason)) in page for reason in reasons)


def test_texts_submitted_after_sending_started_are_returned(desk: Site) -> None:
    editor = signed_in(desk)
    begun = draft_form(editor)
    with desk.db.begin() as session:
        session.execute(update(Issue).values(state=State.SENDING, release_at=utcnow(), started_at=utcnow()))
    answer = post(editor, DRAFT, **begun | {"intro": "An hour of work", "action": "save"})
    assert answer.status_code == 409
    assert "Issue 1 is sending and can no longer be edited." in answer.text
    assert "An hour of work" in answer.text
    assert load_issue(desk).intro == ""
