"""`workflows`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay import stack as stacks
from modelrelay.commands.options import STACK, AsJson, Context, Profile, Region, Stack, context_of
from modelrelay.errors import CommandError
from modelrelay.output import tell

if TYPE_CHECKING:
    from modelrelay.operate.workflows import Input, Workflow


def workflows(
    owner: Annotated[
        str | None, typer.Option(help="The repository's owner. Otherwise the configuration's.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(help="The repository. Otherwise the configuration's.")
    ] = None,
    context: Context = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List a repository's workflows with their ids, states and inputs, and mark those that the routes start.

    GitHub is asked with $GITHUB_TOKEN or, without one, with what the stack's GitHub secret holds.

    [dim]modelrelay workflows
    GITHUB_TOKEN=$(gh auth token) modelrelay workflows --owner acme --repository models[/dim]
    """
    from modelrelay import configuration  # noqa: PLC0415 - these are slow to import, and only this needs them
    from modelrelay.operate import github  # noqa: PLC0415
    from modelrelay.operate.workflows import described  # noqa: PLC0415

    settings = configuration.settings(context_of(context)).functions
    target = settings.routes[0].target
    wanted = github.Repository(owner or target.owner, repository or target.repository)
    credential, source = github.credential(stacks.Session(profile, region, stack))
    access = github.Access(github.api(settings.github), credential)
    try:
        found = described(access, wanted, settings.routes)
    except github.GitHubError as error:
        raise CommandError(f"{wanted.slug} can't be read with {source}. {error}") from None
    content = {"repository": wanted.slug, "credential": source, "workflows": [asdict(each) for each in found]}
    tell(content, as_json=as_json, people=lambda console: _print(console, wanted.slug, found))


def _print(console: Console, slug: str, found: list[Workflow]) -> None:
    console.print(f"[bold]{escape(slug)}[/bold]")
    for each in found:
        mark = "[green]●[/green]" if each.routes else " "
        state = each.state if each.state == "active" else f"[red]{escape(each.state)}[/red]"
        console.print(f"{mark} {escape(each.file or each.path)}  {escape(each.name)}  {state}  id {each.id}")
        for line in _details(each):
            console.print(f"    {escape(line)}")
    if not found:
        console.print("It has no workflows on its default branch.")
        return
    example = next((each for each in found if each.routes), found[0])
    written = f'"workflow_id": "{example.file}"' if example.file else ""
    console.print(
        f'\nIn the configuration: {escape(written)}{" or " if written else ""}"workflow_id": "{example.id}"'
    )


def _details(workflow: Workflow) -> list[str]:
    lines = [f"started by route {', '.join(workflow.routes)}"] if workflow.routes else []
    triggers = workflow.triggers
    if triggers is None:
        return [*lines, f"inputs unknown: {workflow.unread}"]
    if triggers.inputs is None and triggers.event_types is None:
        lines.append("a route can't start it: it has neither workflow_dispatch nor repository_dispatch")
    if triggers.inputs is not None:
        told = ", ".join(_input(name, each) for name, each in triggers.inputs.items())
        lines.append(f"inputs: {told or 'none'}")
    if triggers.event_types is not None:
        lines.append(f"repository_dispatch: {', '.join(triggers.event_types) or 'any event_type'}")
    return lines


def _input(name: str, declared: Input) -> str:
    notes = [declared.type] if declared.type != "string" else []
    notes += ["required"] if declared.required else []
    return f"{name} ({', '.join(notes)})" if notes else name
