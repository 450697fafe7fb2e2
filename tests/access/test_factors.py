"""A code works once and briefly, stored secrets are encrypted, and a user who lost every factor can be reset."""

import threading
from datetime import datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.access.people import NOW, find_session, sign_in, user
from tests.conftest import KEYS

from digest.access import encryption, factors, oidc_accounts, recovery_codes, totp
from digest.access.models import Factor, RecoveryCode
from digest.db import Database
from digest.editorial import users
from digest.editorial.models import User
from digest.errors import BadInput, NotAllowed, NotFound
from digest.signing import Signer

HALF_MINUTE = timedelta(seconds=30)


def set_up(session: Session, signer: Signer, who: User, now: datetime = NOW) -> pyotp.TOTP:
    """An authenticator app of this user, which was set up half a minute before `now`."""
    login_session = find_session(session, sign_in(session, who, now), now)
    totp.begin_setup(session, signer, login_session.id)
    app = pyotp.TOTP(totp.pending_secret(session, signer, login_session.id))
    before = now - HALF_MINUTE
    totp.confirm_setup(session, signer, login_session, code=app.at(before), name="", now=before)
    return app


def test_a_code_works_once(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        ana = user(session)
        app = set_up(session, signer, ana)
        code = app.at(NOW)
        assert totp.verify(session, signer, ana.id, f"{code[:3]} {code[3:]}", NOW)
        assert totp.verify(session, signer, ana.id, code, NOW) is None
        later = NOW + HALF_MINUTE
        assert totp.verify(session, signer, ana.id, code, later) is None
        assert totp.verify(session, signer, ana.id, app.at(later), later)


def test_the_code_that_set_up_the_app_cannot_sign_in(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        ana = user(session)
        app = set_up(session, signer, ana)
        assert totp.verify(session, signer, ana.id, app.at(NOW - HALF_MINUTE), NOW) is None


def test_a_code_may_be_one_step_old_but_not_older_and_not_from_the_future(
    db: Database, signer: Signer
) -> None:
    with db.begin() as session:
        ana = user(session)
        app, now = set_up(session, signer, ana), NOW + timedelta(hours=1)
        for wrong in (app.at(now + HALF_MINUTE), app.at(now - 2 * HALF_MINUTE), "", "12345", "١٢٣٤٥٦"):
            assert totp.verify(session, signer, ana.id, wrong, now) is None
        assert totp.verify(session, signer, ana.id, app.at(now - HALF_MINUTE), now)


def test_a_code_works_only_for_its_own_user(sqlite: Database, signer: Signer) -> None:
    with sqlite.begin() as session:
        ana, bob = user(session), user(session, "bob")
        app = set_up(session, signer, ana)
        set_up(session, signer, bob)
        assert totp.verify(session, signer, bob.id, app.at(NOW), NOW) is None


def test_the_same_code_used_twice_at_once_works_once(postgres: Database, signer: Signer) -> None:
    with postgres.begin() as session:
        ana = user(session)
        app, ana_id = set_up(session, signer, ana), ana.id
    barrier, came = threading.Barrier(2), []

    def enter() -> None:
        with postgres.begin() as session:
            barrier.wait()
            came.append(totp.verify(session, signer, ana_id, app.at(NOW), NOW) is not None)

    threads = [threading.Thread(target=enter) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(came) == [False, True]


def test_an_app_is_added_only_after_its_first_valid_code(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        ana = user(session)
        login_session = find_session(session, sign_in(session, ana))
        with pytest.raises(NotAllowed):
            totp.confirm_setup(session, signer, login_session, code="123456", name="", now=NOW)
        totp.begin_setup(session, signer, login_session.id)
        app = pyotp.TOTP(totp.pending_secret(session, signer, login_session.id))
        with pytest.raises(BadInput):
            totp.confirm_setup(
                session, signer, login_session, code=app.at(NOW - timedelta(hours=1)), name="", now=NOW
            )
        assert factors.list_factors(session, ana.id) == []
        assert (
            totp.confirm_setup(session, signer, login_session, code=app.at(NOW), name="Phone", now=NOW).name
            == "Phone"
        )
        with pytest.raises(NotAllowed):
            totp.pending_secret(session, signer, login_session.id)


def test_a_stored_secret_is_encrypted_and_moves_to_the_newest_key(db: Database) -> None:
    newest, older = KEYS
    with db.begin() as session:
        ana = user(session)
        app = set_up(session, Signer([older]), ana)
        row = session.scalars(select(Factor)).one()
        assert app.secret not in str(vars(row))
        assert totp.verify(session, Signer([newest, older]), ana.id, app.at(NOW), NOW)
        session.refresh(row)
        assert encryption.decrypt(Signer([newest]), str(row.encrypted_secret)) == app.secret
        with pytest.raises(NotAllowed, match="retired"):
            encryption.decrypt(Signer([older]), str(row.encrypted_secret))


def test_an_app_under_a_retired_key_does_not_disable_other_apps(db: Database) -> None:
    newest, older = KEYS
    with db.begin() as session:
        ana = user(session)
        lost = set_up(session, Signer([older]), ana, NOW - timedelta(minutes=5))
        with pytest.raises(NotAllowed, match="retired"):
            totp.verify(session, Signer([newest]), ana.id, lost.at(NOW), NOW)
        app = set_up(session, Signer([newest]), ana)
        assert totp.verify(session, Signer([newest]), ana.id, lost.at(NOW), NOW) is None
        assert totp.verify(session, Signer([newest]), ana.id, app.at(NOW), NOW)


def test_a_recovery_code_works_once_whatever_its_case_and_spacing(db: Database) -> None:
    with db.begin() as session:
        ana, bob = user(session), user(session, "bob")
        drawn = recovery_codes.generate(session, ana.id)
        assert len(set(drawn)) == recovery_codes.CODE_COUNT == recovery_codes.count_remaining(session, ana.id)
        assert not recovery_codes.use(session, bob.id, drawn[0], NOW)
        assert recovery_codes.use(session, ana.id, f" {drawn[0].upper().replace('-', ' ')} ", NOW)
        assert not recovery_codes.use(session, ana.id, drawn[0], NOW)
        assert not recovery_codes.use(session, ana.id, "aaaaa-aaaaa-aaaaa", NOW)
        assert recovery_codes.count_remaining(session, ana.id) == recovery_codes.CODE_COUNT - 1
        again = recovery_codes.generate(session, ana.id)
        assert not recovery_codes.use(session, ana.id, drawn[1], NOW)
        assert recovery_codes.use(session, ana.id, again[0], NOW)


def test_recovery_codes_are_stored_only_as_hashes(sqlite: Database) -> None:
    with sqlite.begin() as session:
        drawn = recovery_codes.generate(session, user(session).id)
        held = str([vars(row) for row in session.scalars(select(RecoveryCode))])
        assert not any(code in held or code.replace("-", "") in held for code in drawn)


def test_users_rename_and_remove_only_their_own_factors(db: Database) -> None:
    with db.begin() as session:
        ana, bob = user(session), user(session, "bob")
        made = factors.add(session, ana.id, "app", " My   phone ", NOW)
        assert made.name == "My phone"
        recovery_codes.generate(session, ana.id)
        for act in (factors.get, factors.remove):
            with pytest.raises(NotFound):
                act(session, bob.id, made.id)
        with pytest.raises(BadInput):
            factors.rename(session, ana.id, made.id, " ")
        assert factors.rename(session, ana.id, made.id, "Old phone").name == "Old phone"
        assert factors.remove(session, ana.id, made.id) == "Old phone"
        assert recovery_codes.count_remaining(session, ana.id) == 0


def test_the_last_second_factor_cannot_be_removed_while_one_is_required(db: Database) -> None:
    with db.begin() as session:
        owner = user(session, "owner", "owner")
        with pytest.raises(NotAllowed, match="before you require it"):
            factors.set_required(session, owner, required=True)
        made = factors.add(session, owner.id, "app", "", NOW)
        factors.set_required(session, owner, required=True)
        assert factors.is_required(session)
        with pytest.raises(NotAllowed):
            factors.remove(session, owner.id, made.id)
        assert find_session(session, sign_in(session, user(session))).must_set_up_factor
        factors.set_required(session, owner, required=False)
        assert not factors.is_required(session)
        factors.remove(session, owner.id, made.id)


def test_a_reset_removes_all_factors_codes_and_provider_accounts(db: Database) -> None:
    with db.begin() as session:
        ana = user(session)
        factors.add(session, ana.id, "app", "", NOW)
        recovery_codes.generate(session, ana.id)
        _vouched(session, "ana@example.org", "7")
        assert factors.count_by_user(session) == {ana.id: 1}
        assert factors.remove_all(session, ana.id) == 1
        assert (factors.count_by_user(session), recovery_codes.count_remaining(session, ana.id)) == ({}, 0)
        assert _vouched(session, "ana@example.org", "8").id == ana.id


def test_a_provider_signs_in_only_invited_users_with_a_verified_address(db: Database) -> None:
    with db.begin() as session:
        owner, ana = user(session, "owner", "owner"), user(session)
        assert _vouched(session, "Ana@Example.org", "7").id == ana.id
        assert _vouched(session, "ana@example.org", "7").id == ana.id
        for address, subject, verified in (
            ("nobody@example.org", "9", True),
            ("", "9", True),
            ("owner@example.org", "9", False),
            ("owner@example.org", "", True),
            ("owner@example.org", "x" * 256, True),
            ("ana@example.org", "8", True),  # the address went to somebody else
            ("owner@example.org", "7", True),  # Ana's account, whose address was changed to the owner's
        ):
            with pytest.raises(NotAllowed):
                _vouched(session, address, subject, verified=verified)
        users.remove_user(session, ana.id, NOW)
        with pytest.raises(NotAllowed):
            _vouched(session, "ana@example.org", "7")
        assert _vouched(session, "owner@example.org", "9").id == owner.id


def _vouched(session: Session, address: str, subject: str, *, verified: bool = True) -> User:
    return oidc_accounts.resolve_user(
        session,
        issuer="https://login.example.org",
        subject=subject,
        address=address,
        verified=verified,
        now=NOW,
    )
