"""`digest restored`: what a person has to say before a restored or copied database sends again."""

import json
from pathlib import Path

import click

from digest.cli import AppContext
from digest.cli.parameter_types import log_words
from digest.errors import BadInput

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("restored", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def group(ctx: click.Context, as_json: bool) -> None:
    """Say what happened since a backup was made or a copy was taken, so that nobody is emailed twice.

    Without a subcommand: what has to be said before anything is sent.
    """
    if ctx.invoked_subcommand is None:
        from digest.cli.backups import answers

        facts = answers.describe_hold(ctx.obj.services())
        click.echo(json.dumps(facts, indent=2) if as_json else "\n".join(answers.format_hold(facts)))


@group.command()
@click.argument("number", type=int)
@click.option("--all", "went_out", flag_value="all", help="Every reader has it.")
@click.option("--none", "went_out", flag_value="none", help="Nobody got it after the backup was made.")
@click.option(
    "--log", type=FILE, metavar="FILE", help="Those have it whom this file of the mail provider names."
)
@click.option("--complete", is_flag=True, help="FILE holds all that was sent since the backup was made.")
@log_words
@click.option("--publication", "slug", help="Slug of its publication. [default: the first]")
@click.pass_obj
def issue(
    context: AppContext,
    *,
    number: int,
    went_out: str | None,
    log: Path | None,
    complete: bool,
    sent: tuple[str, ...],
    refused: tuple[str, ...],
    slug: str | None,
) -> None:
    """Say what went out of issue NUMBER, at the place where the backup was made.

    FILE is any text, CSV or JSON that names Message-IDs or addresses. One that does not reach from the backup until
    now, or has no times, is refused without --complete: whoever is missing from it would get the issue twice.
    """
    if (went_out is None) == (log is None):
        raise BadInput("say one of --all, --none or --log FILE")
    if log is None and (complete or sent or refused):
        raise BadInput("--complete, --sent-word and --refused-word go with --log FILE")
    from digest.cli.backups import answers
    from digest.delivery.ledger.log_events import meanings
    from digest.delivery.release.went_out import WentOut

    services = context.services()
    words = meanings(sent, refused)
    answer = answers.LogAnswer(log, complete, words) if log else WentOut(str(went_out))
    click.echo(answers.settle_issue(services, number, slug, answer))
    click.echo(answers.release_if_settled(services))


@group.command()
@click.argument("file", type=FILE, required=False)
@click.option("--nobody", is_flag=True, help="Nobody unsubscribed, or nobody can know who did.")
@click.pass_obj
def unsubscribed(context: AppContext, file: Path | None, nobody: bool) -> None:
    """Unsubscribe every reader whom FILE names: those who left since the backup was made.

    Your mail provider's list of unsubscribes and complaints, or your own mailbox, names them.
    """
    if nobody == (file is not None):
        raise BadInput("name a file of addresses, or say --nobody")
    from digest.cli.backups import answers

    services = context.services()
    click.echo(answers.settle_unsubscribes(services, file))
    click.echo(answers.release_if_settled(services))


@group.command()
@click.confirmation_option(prompt="Is the original gone, and was nothing sent from it since this copy?")
@click.pass_obj
def moved(context: AppContext) -> None:
    """Say that this home was moved while nothing ran: nothing was sent and nobody left since.

    The original must never be started again.
    """
    from digest.cli.backups import answers
    from digest.delivery.release import settling

    services = context.services()
    settling.settle_moved(answers.create_settler(services))
    click.echo(answers.release_if_settled(services))


@group.command()
@click.confirmation_option(prompt="Stop sending from this database until everything is settled?")
@click.pass_obj
def mark(context: AppContext) -> None:
    """Say that this database is a copy or was restored, where digest cannot know it: a machine set back as a whole."""
    from digest.cli.backups.answers import create_settler
    from digest.delivery.release import settling

    waiting = settling.mark(create_settler(context.services()))
    click.echo(f"Nothing is sent; {waiting} issues are to be settled: see `digest restored`.")
