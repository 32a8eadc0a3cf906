"""`dlq`: list, show, replay, export, import and purge dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelrelay.commands.options import STACK, AsJson, Profile, Region, Stack, Yes, read
from modelrelay.errors import CommandError
from modelrelay.output import tell

if TYPE_CHECKING:
    from modelrelay.operate.selection import Selection

app = typer.Typer(no_args_is_help=True, help="Dead letters: deliveries that wait for a person.")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; repeatable.")]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="Only this model, or pattern (Airline_*); repeatable.")
]
Routes = Annotated[list[str] | None, typer.Option("--route", help="Only this route; repeatable.")]
OlderThan = Annotated[
    str | None, typer.Option(metavar="AGE", help="Only what has lain here for so long (90s, 30m, 2h, 3d).")
]
NewerThan = Annotated[
    str | None, typer.Option(metavar="AGE", help="Only what has not lain here for so long.")
]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="Only this delivery, or what its id begins with; repeatable.")
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="EXPR",
        help="Only where this JMESPath expression holds for the letter as `dlq export` has it.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All of them; needed where nothing is selected.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Force = Annotated[
    bool, typer.Option("--force", help="Start them also where a newer fact was dispatched meanwhile.")
]
Rate = Annotated[float, typer.Option(min=0.1, max=1000, help="How many to send a second.")]


@app.command("list")
def list_(
    reason: Reasons = None,
    model: Models = None,
    route: Routes = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    ids: Ids = None,
    where: Where = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters and count their reasons. Looking changes nothing.

    [dim]modelrelay dlq list --model 'Airline_*' --older-than 2h
    modelrelay dlq list --where "attributes.status == '422'"[/dim]
    """
    from modelrelay.operate import dlq_steps as steps  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415

    selection = _selection(reason, model, route, older_than, newer_than, ids, where)
    with at_work(stack, profile, region) as desk:
        look = steps.look(desk, selection)
    steps.tell_letters(look, as_json=as_json)


@app.command()
def show(
    delivery: Annotated[str, typer.Argument(help="The delivery's id, or what it begins with.")],
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that is known of a dead letter, with what the ledger says of its delivery.

    [dim]modelrelay dlq show 3f2a[/dim]
    """
    from modelrelay.operate import letter_tables as tables  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415
    from modelrelay.operate.dlq_steps import found  # noqa: PLC0415

    with at_work(stack, profile, region) as desk:
        letters = found(desk, delivery)
    tell({"letters": letters}, as_json=as_json, people=lambda console: tables.print_all(console, letters))


@app.command()
def replay(
    reason: Reasons = None,
    model: Models = None,
    route: Routes = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    ids: Ids = None,
    where: Where = None,
    everything: All = False,
    force: Force = False,
    rate: Rate = 10,
    dry_run: DryRun = False,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back onto the delivery queue, those of a model in their order.

    Without --yes it says what would be done, and asks where there is somebody to ask. A letter is removed
    when SQS has confirmed its copy, and not before. Interrupt it whenever you like, and run it again.

    [dim]modelrelay dlq replay --reason github-not-found
    modelrelay dlq replay --all --yes --rate 2[/dim]
    """
    from modelrelay.operate import dlq_steps as steps  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415

    selection = _selection(reason, model, route, older_than, newer_than, ids, where)
    _require(selection, everything=everything)
    assent = steps.Assent(yes=yes, dry_run=dry_run, as_json=as_json)
    with at_work(stack, profile, region) as desk:
        steps.replay(desk, selection, assent, force=force, rate=rate)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file; - for standard output.")],
    reason: Reasons = None,
    model: Models = None,
    route: Routes = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    ids: Ids = None,
    where: Where = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Write dead letters as JSON lines, with everything in them, and leave them where they are.

    What people wrote into tags is part of it, so the file is readable for you alone.

    [dim]modelrelay dlq export letters.jsonl --reason missing-field
    modelrelay dlq export - | jq .body.event.model_name[/dim]
    """
    from modelrelay.operate import dlq_steps as steps  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415

    selection = _selection(reason, model, route, older_than, newer_than, ids, where)
    with at_work(stack, profile, region) as desk:
        look = steps.look(desk, selection)
    steps.export(look, file, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What `dlq export` wrote, edited; - for standard input.")],
    remove: Annotated[
        bool,
        typer.Option(
            "--remove",
            help="Remove the letter that a line came from when the line was sent; a line whose letter is "
            "gone is not sent.",
        ),
    ] = False,
    force: Force = False,
    rate: Rate = 10,
    dry_run: DryRun = False,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Put exported and edited letters onto the delivery queue. Ids are made to fit what was edited.

    Without --yes it says what would be done, and asks where there is somebody to ask. If a line is wrong,
    nothing is sent.

    [dim]modelrelay dlq import letters.jsonl --remove --yes[/dim]
    """
    from modelrelay.operate import dlq_steps as steps  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415
    from modelrelay.operate.edited import read_lines  # noqa: PLC0415

    lines = read_lines(_text(file), from_letters=remove)
    assent = steps.Assent(yes=yes, dry_run=dry_run, as_json=as_json)
    with at_work(stack, profile, region) as desk:
        steps.import_(desk, lines, assent, remove=remove, force=force, rate=rate)


@app.command()
def purge(
    reason: Reasons = None,
    model: Models = None,
    route: Routes = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    ids: Ids = None,
    where: Where = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters for good. Without --yes it lists them, and asks where there is somebody to ask.

    [dim]modelrelay dlq purge --reason malformed --older-than 7d[/dim]
    """
    from modelrelay.operate import dlq_steps as steps  # noqa: PLC0415 - these are slow to import
    from modelrelay.operate.desk import at_work  # noqa: PLC0415

    selection = _selection(reason, model, route, older_than, newer_than, ids, where)
    _require(selection, everything=everything)
    assent = steps.Assent(yes=yes, dry_run=dry_run, as_json=as_json)
    with at_work(stack, profile, region) as desk:
        steps.purge(desk, selection, assent)


def _selection(
    reason: list[str] | None,
    model: list[str] | None,
    route: list[str] | None,
    older_than: str | None,
    newer_than: str | None,
    ids: list[str] | None,
    where: str | None,
) -> Selection:
    from modelrelay.operate.selection import BadOption, Selection  # noqa: PLC0415 - only this group needs it

    try:
        return Selection(
            reasons=tuple(reason or ()),
            models=tuple(model or ()),
            routes=tuple(route or ()),
            older_than=older_than or "",
            newer_than=newer_than or "",
            ids=tuple(ids or ()),
            where=where or "",
        )
    except BadOption as error:
        raise typer.BadParameter(str(error)) from None


def _require(selection: Selection, *, everything: bool) -> None:
    """See that somebody has said what is meant."""
    if not selection and not everything:
        raise typer.BadParameter("Say which letters: --reason, --model, --route, --id …, or --all.")
    if selection and everything:
        raise typer.BadParameter("--all and a selection contradict each other.")


def _text(file: Path) -> str:
    try:
        return read(file).decode()
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8.") from None
