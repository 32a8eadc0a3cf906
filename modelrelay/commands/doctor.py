"""`doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay import stack as stacks
from modelrelay.commands.options import STACK, AsJson, Context, Profile, Region, Stack, context_of
from modelrelay.output import tell

if TYPE_CHECKING:
    from modelrelay.operate.findings import Finding

_MARKS = {"ok": "[green]✓[/green]", "problem": "[red]✗[/red]", "not checked": "[dim]·[/dim]"}


def doctor(
    url: Annotated[
        str | None,
        typer.Option(help="The ingest URL as this machine reaches it. Otherwise the stack's."),
    ] = None,
    context: Context = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole chain, from the AWS login to GitHub's workflows, and say how to mend what is wrong.

    It starts no workflow. With DATABRICKS_HOST set, the webhook there is checked too.

    [dim]modelrelay doctor
    modelrelay doctor --json | jq '.checks[] | select(.verdict == "problem")'[/dim]
    """
    from modelrelay.operate.doctor import examine  # noqa: PLC0415 - slow to import, and only this needs it
    from modelrelay.operate.findings import Chain, Verdict  # noqa: PLC0415

    chain = Chain(stacks.Session(profile, region, stack), stack, url, context_of(context))
    with Console(file=sys.stderr).status("Checking …") as status:
        found = list(examine(chain, begun=lambda name: status.update(f"Checking {name} …")))
    problems = sum(each.verdict is Verdict.PROBLEM for each in found)
    content = {"ok": not problems, "problems": problems, "checks": [asdict(each) for each in found]}
    tell(content, as_json=as_json, people=lambda console: _print(console, found, problems))
    if problems:
        raise typer.Exit(1)


def _print(console: Console, found: list[Finding], problems: int) -> None:
    for each in found:
        of = f" {each.subject}:" if each.subject else ""
        verdict = "not checked: " if each.verdict.value == "not checked" else ""
        mark = _MARKS[each.verdict.value]
        console.print(f"{mark} [bold]{each.check:<19}[/bold]{escape(f'{of} {verdict}{each.says}')}")
        if each.mend:
            console.print(f"  → {escape(each.mend)}")
    console.print(f"\n{problems or 'No'} problem{'' if problems == 1 else 's'}.")
