"""A sign-in link works once and for a short time, and removing access removes it everywhere."""

import threading
from datetime import timedelta

import pytest
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import users
from digest.editorial.models import Role
from digest.errors import BadInput, BadToken, NotAllowed, NotFound
from digest.signing import Purpose, Signer


def test_a_sign_in_link_works_once(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        user = users.invite_user(session, "Ana@Example.org", Role.EDITOR, NOW)
        first, second = (users.create_sign_in_token(signer, user, NOW) for _ in range(2))
        assert users.check_sign_in_token(session, signer, first, NOW).id == user.id
        assert users.sign_in(session, signer, first, NOW).last_seen_at == NOW
        for token in (first, second):
            with pytest.raises(BadToken, match="was already used"):
                users.sign_in(session, signer, token, NOW)
            with pytest.raises(BadToken):
                users.check_sign_in_token(session, signer, token, NOW)


@pytest.mark.parametrize("lifetime", [users.EMAIL_LINK_LIFETIME, users.INVITATION_LIFETIME])
def test_a_sign_in_link_expires(db: Database, signer: Signer, lifetime: timedelta) -> None:
    with db.begin() as session:
        user = users.invite_user(session, "ana@example.org", Role.OWNER, NOW)
        token = users.create_sign_in_token(signer, user, NOW, lifetime)
        with pytest.raises(BadToken, match="expired"):
            users.sign_in(session, signer, token, NOW + lifetime + timedelta(seconds=1))
        users.sign_in(session, signer, token, NOW + lifetime)


def test_a_token_for_another_purpose_or_an_unknown_user_is_refused(db: Database, signer: Signer) -> None:
    later = int(NOW.timestamp()) + 600
    with db.begin() as session:
        users.invite_user(session, "ana@example.org", Role.OWNER, NOW)
        for token in (
            signer.mint(Purpose.PREFERENCES, 1, 0, later),
            signer.mint(Purpose.SIGN_IN, 1, 0),
            signer.mint(Purpose.SIGN_IN, 999, 0, later),
            "rubbish",
        ):
            with pytest.raises(BadToken):
                users.sign_in(session, signer, token, NOW)


def test_ending_sessions_also_voids_every_unused_link(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        user = users.invite_user(session, "ana@example.org", Role.OWNER, NOW)
        token, epoch = users.create_sign_in_token(signer, user, NOW), user.session_epoch
        users.end_sessions(session, user)
        assert user.session_epoch > epoch
        with pytest.raises(BadToken):
            users.sign_in(session, signer, token, NOW)


def test_an_address_is_one_user_in_any_spelling(db: Database) -> None:
    with db.begin() as session:
        first = users.invite_user(session, " Ana@Example.org", "viewer", NOW)
        again = users.invite_user(session, "ana@EXAMPLE.org", "owner", NOW)
        assert (first.id, again.role) == (again.id, Role.OWNER)
        assert users.find_user(session, "ANA@example.org ") is again
        assert [user.address for user in users.list_users(session)] == ["ana@example.org"]


@pytest.mark.parametrize(("address", "role"), [("nobody", "owner"), ("", "owner"), ("a@b.example", "king")])
def test_an_invalid_invitation_is_one_clear_error(sqlite: Database, address: str, role: str) -> None:
    with sqlite.begin() as session, pytest.raises(BadInput) as caught:
        users.invite_user(session, address, role, NOW)
    assert "\n" not in str(caught.value)


def test_a_removed_user_cannot_sign_in_and_can_be_invited_again(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        owner = users.invite_user(session, "owner@example.org", Role.OWNER, NOW)
        user = users.invite_user(session, "ana@example.org", Role.EDITOR, NOW)
        token, epoch = users.create_sign_in_token(signer, user, NOW), user.session_epoch
        users.remove_user(session, user.id, NOW)
        assert user.session_epoch > epoch
        assert users.find_user(session, user.address) is None
        assert users.list_users(session) == [owner]
        for late in (token, users.create_sign_in_token(signer, user, NOW)):
            with pytest.raises(BadToken):
                users.sign_in(session, signer, late, NOW)
        with pytest.raises(NotFound):
            users.remove_user(session, user.id, NOW)
        assert users.invite_user(session, "ana@example.org", Role.VIEWER, NOW).id == user.id
        assert len(users.list_users(session)) == 2


def test_the_only_owner_cannot_be_removed(db: Database) -> None:
    with db.begin() as session:
        owner = users.invite_user(session, "owner@example.org", Role.OWNER, NOW)
        users.invite_user(session, "ana@example.org", Role.EDITOR, NOW)
        with pytest.raises(NotAllowed, match="only owner"):
            users.remove_user(session, owner.id, NOW)


def test_the_only_owner_cannot_become_an_editor(db: Database) -> None:
    with db.begin() as session:
        users.invite_user(session, "owner@verdicts.dev", Role.OWNER, NOW)
        with pytest.raises(NotAllowed, match="only owner"):
            users.invite_user(session, "owner@verdicts.dev", Role.EDITOR, NOW)
        users.invite_user(session, "second@verdicts.dev", Role.OWNER, NOW)
        assert users.invite_user(session, "owner@verdicts.dev", Role.EDITOR, NOW).role == Role.EDITOR


def test_two_owners_removing_each_other_at_once_leave_one_owner(postgres: Database) -> None:
    with postgres.begin() as session:
        ids = [users.invite_user(session, f"{name}@verdicts.dev", Role.OWNER, NOW).id for name in ("a", "b")]
    told = list[str]()

    def remove(user_id: int) -> None:
        try:
            with postgres.begin() as session:
                users.list_users(session)
                barrier.wait()
                users.remove_user(session, user_id, NOW)
        except NotAllowed as refusal:
            told.append(str(refusal))

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=remove, args=(user_id,)) for user_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with postgres.read() as session:
        assert (len(users.list_users(session)), len(told)) == (1, 1)
