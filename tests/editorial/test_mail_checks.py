"""Checks of the finished mail look at every variant's subject, not only at the editor's."""

from dataclasses import replace

from tests.render.editions import BASE, block, edition, side

from digest.editorial.checks.mail_checks import check_mail
from digest.render.compile import compile_issue


def test_a_merge_field_in_a_generated_subject_is_found() -> None:
    odd = replace(block(2), left=side("{{name}}"))
    findings = list(check_mail(compile_issue(edition(blocks=(block(1), odd))), BASE))
    assert [finding.name for finding in findings] == ["subject by topics"]
    assert "{{name}} in their subject" in findings[0].text
    assert list(check_mail(compile_issue(edition(2)), BASE)) == []
