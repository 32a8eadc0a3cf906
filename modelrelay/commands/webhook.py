"""`webhook`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from modelrelay import stack as stacks
from modelrelay.commands.options import (
    STACK,
    AsJson,
    Context,
    Profile,
    Region,
    Stack,
    Yes,
    asks,
    context_of,
)
from modelrelay.errors import CommandError
from modelrelay.output import tell

if TYPE_CHECKING:
    from modelrelay.operate.webhooks import Registry, Webhook

app = typer.Typer(
    no_args_is_help=True,
    help="Our webhook at Databricks (with DATABRICKS_HOST and DATABRICKS_TOKEN), or at an MLflow server.",
)

WebhookId = Annotated[
    str | None, typer.Argument(help="The webhook. Otherwise the one that posts to this stack.")
]
MlflowUri = Annotated[
    str | None, typer.Option(help="An MLflow server's address; then it is MLflow's webhook, not Databricks'.")
]
DatabricksProfile = Annotated[
    str | None, typer.Option(help="A profile of ~/.databrickscfg, in place of the environment.")
]
Url = Annotated[
    str | None, typer.Option(help="The ingest URL as the sender reaches it. Otherwise the stack's.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Even if the secret was rotated just now, and events may be refused.")
]


@app.command()
def register(
    events: Annotated[
        list[str] | None,
        typer.Option(help="The sender's name of an event; repeatable. Otherwise those that a route wants."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="One registered model. Otherwise all of them.")] = None,
    mlflow_uri: MlflowUri = None,
    databricks_profile: DatabricksProfile = None,
    url: Url = None,
    force: Force = False,
    context: Context = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register this stack's webhook, with its address and secret. If it is there, it is brought up to date.

    [dim]modelrelay webhook register
    modelrelay webhook register --model Airline_Delay --events MODEL_VERSION_TRANSITIONED_STAGE
    modelrelay webhook register --mlflow-uri https://mlflow.example.com[/dim]
    """
    from modelrelay.operate import deployed, webhooks  # noqa: PLC0415 - slow to import

    session = stacks.Session(profile, region, stack)
    registry = _registry(mlflow_uri, databricks_profile)
    sender = registry.sender
    wanted = webhooks.Wanted(
        url=webhooks.address(session, sender, url),
        secret=webhooks.secret(session, sender, now=time.time(), force=force),
        events=tuple(events or ())
        or webhooks.default_events(sender, deployed.settings_or_checkout(session, context_of(context))[0]),
        model=model or "",
    )
    webhook, is_new = webhooks.register(registry, wanted)
    done = "Registered" if is_new else "Brought up to date"

    def people(console: Console) -> None:
        console.print(f"{done}:")
        _print(console, webhook)
        console.print("Try it: modelrelay webhook test")

    tell({"webhook": asdict(webhook), "new": is_new}, as_json=as_json, people=people)


@app.command("list")
def list_(
    mlflow_uri: MlflowUri = None,
    databricks_profile: DatabricksProfile = None,
    url: Url = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List the sender's webhooks, and mark those that post to this stack.

    [dim]modelrelay webhook list[/dim]
    """
    from modelrelay.operate import webhooks  # noqa: PLC0415 - slow to import

    registry = _registry(mlflow_uri, databricks_profile)
    address = webhooks.address(stacks.Session(profile, region, stack), registry.sender, url)
    found = registry.webhooks()
    ours = [each for each in found if each.url.rstrip("/") == address.rstrip("/")]

    def people(console: Console) -> None:
        for each in found:
            _print(console, each, is_ours=each in ours)
        if not ours:
            console.print(f"None posts to {escape(address)}. Make one: modelrelay webhook register")

    content = [{**asdict(each), "posts_here": each in ours} for each in found]
    tell(content, as_json=as_json, people=people)


@app.command("test")
def try_(
    webhook_id: WebhookId = None,
    event: Annotated[
        str | None, typer.Option(help="The sender's name of the event to test. Otherwise its choice.")
    ] = None,
    mlflow_uri: MlflowUri = None,
    databricks_profile: DatabricksProfile = None,
    url: Url = None,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Have the sender send a test delivery, and show what ingest answered. It starts no workflow.

    [dim]modelrelay webhook test
    modelrelay webhook test --mlflow-uri https://mlflow.example.com[/dim]
    """
    from modelrelay.operate import webhooks  # noqa: PLC0415 - slow to import

    registry = _registry(mlflow_uri, databricks_profile)
    address = webhooks.address(stacks.Session(profile, region, stack), registry.sender, url)
    webhook = webhooks.chosen(registry, address, webhook_id)
    answer = registry.test(webhook.id, event)
    is_fine = answer.status == 200  # noqa: PLR2004 - ingest's answer to a test delivery
    mark = "[green]✓[/green]" if is_fine else "[red]✗[/red]"
    line = f"{mark} ingest answered {answer.status or 'nothing'}: {escape(answer.body)}"
    tell(
        {"webhook": webhook.id, **asdict(answer)},
        as_json=as_json,
        people=lambda console: console.print(line),
    )
    if not is_fine:
        raise typer.Exit(1)


@app.command()
def update(
    webhook_id: WebhookId = None,
    events: Annotated[
        list[str] | None, typer.Option(help="The events instead of those that it has; repeatable.")
    ] = None,
    mlflow_uri: MlflowUri = None,
    databricks_profile: DatabricksProfile = None,
    url: Url = None,
    force: Force = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Give the webhook the stack's current address and secret, as after a rotation, and make it active.

    [dim]modelrelay webhook update[/dim]
    """
    from modelrelay.operate import webhooks  # noqa: PLC0415 - slow to import

    session = stacks.Session(profile, region, stack)
    registry = _registry(mlflow_uri, databricks_profile)
    address = webhooks.address(session, registry.sender, url)
    webhook = webhooks.chosen(registry, address, webhook_id)
    secret = webhooks.secret(session, registry.sender, now=time.time(), force=force)
    changed = registry.update(webhook.id, webhooks.Wanted(address, secret, tuple(events or ())))

    def people(console: Console) -> None:
        console.print("Brought up to date, with the current secret:")
        _print(console, changed)

    tell({"webhook": asdict(changed)}, as_json=as_json, people=people)


@app.command()
def delete(
    webhook_id: WebhookId = None,
    mlflow_uri: MlflowUri = None,
    databricks_profile: DatabricksProfile = None,
    url: Url = None,
    yes: Yes = False,
    stack: Stack = STACK,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Remove the webhook from its sender. Events are no longer sent, and nobody keeps them.

    [dim]modelrelay webhook delete[/dim]
    """
    from modelrelay.operate import webhooks  # noqa: PLC0415 - slow to import

    registry = _registry(mlflow_uri, databricks_profile)
    address = webhooks.address(stacks.Session(profile, region, stack), registry.sender, url)
    webhook = webhooks.chosen(registry, address, webhook_id)
    if not yes:
        if not asks(yes=yes):
            raise CommandError("There is no terminal to ask on: --yes deletes without asking.")
        typer.confirm(f"Delete webhook {webhook.id}, which posts to {webhook.url}?", abort=True)
    registry.delete(webhook.id)
    tell(
        {"deleted": webhook.id},
        as_json=as_json,
        people=lambda console: console.print(f"Deleted {escape(webhook.id)}."),
    )


def _registry(mlflow_uri: str | None, databricks_profile: str | None) -> Registry:
    from modelrelay.operate import mlflow, webhooks  # noqa: PLC0415 - slow to import

    if mlflow_uri:
        return mlflow.Mlflow(mlflow_uri)
    return webhooks.Databricks(webhooks.workspace(databricks_profile))


def _print(console: Console, webhook: Webhook, *, is_ours: bool = True) -> None:
    mark = "[green]●[/green]" if is_ours else " "
    status = webhook.status if webhook.status == "ACTIVE" else f"[red]{escape(webhook.status)}[/red]"
    whose = escape(webhook.model or "all models")
    console.print(f"{mark} {escape(webhook.id)}  {status}  {whose}  {escape(webhook.url)}")
    console.print(f"    {escape(', '.join(webhook.events))}")
