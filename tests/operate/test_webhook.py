"""`webhook`: the stack's webhook at Databricks, through Databricks' own SDK and a small workspace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.ingest.senders import SENDERS
from modelrelay.errors import CommandError
from modelrelay.local.emulator import Emulator
from modelrelay.operate.mlflow import Mlflow
from modelrelay.operate.webhooks import Wanted, default_events
from tests.examples.server import Reply
from tests.operate import databricks
from tests.operate.chain import IGNORED, PASSWORD, Chain, deployed, settings, token_filled
from tests.operate.databricks import Workspace, workspace

REGISTER = ("webhook", "register")
STAGE = "MODEL_VERSION_TRANSITIONED_STAGE"


@pytest.fixture
def chain(cloud: Emulator) -> Iterator[Chain]:
    """A chain whose GitHub secret holds a token that GitHub knows."""
    with deployed(cloud) as made:
        made.hidden.append(databricks.TOKEN)
        yield token_filled(made)


@pytest.fixture
def remote() -> Iterator[Workspace]:
    """A workspace without webhooks."""
    with workspace() as running:
        yield running


def url(chain: Chain) -> str:
    """Give the address that Databricks posts to."""
    return chain.outputs["DatabricksWebhookUrl"]


def register(chain: Chain, remote: Workspace, *arguments: str) -> Any:
    """Register the stack's webhook."""
    return chain.told(*REGISTER, *arguments, **remote.login)


def test_a_webhook_is_registered_with_address_and_secret(chain: Chain, remote: Workspace) -> None:
    """Nobody copies anything: the address, the secret and the events are the stack's."""
    told = register(chain, remote)
    assert told["new"]
    assert remote.webhooks == [
        {
            "id": told["webhook"]["id"],
            "status": "ACTIVE",
            "events": [STAGE],
            "description": "Model Relay",
            "http_url_spec": {"url": url(chain)},
        }
    ]
    assert remote.secrets == {told["webhook"]["id"]: PASSWORD}


def test_registering_again_brings_it_up_to_date(chain: Chain, remote: Workspace) -> None:
    """The webhook that is there is changed and made active; no second one reports the same events."""
    first = register(chain, remote)["webhook"]["id"]
    remote.webhooks[0]["status"] = "DISABLED"
    remote.secrets[first] = "old"
    again = register(chain, remote, "--events", "MODEL_VERSION_CREATED", "--events", STAGE)
    assert (again["new"], again["webhook"]["id"]) == (False, first)
    assert [each["status"] for each in remote.webhooks] == ["ACTIVE"]
    assert again["webhook"]["events"] == ["MODEL_VERSION_CREATED", STAGE]
    assert remote.secrets == {first: PASSWORD}


def test_a_model_has_a_webhook_of_its_own(chain: Chain, remote: Workspace) -> None:
    """The webhook of one model is another than that of all, and each is found again."""
    for arguments in [(), ("--model", "churn"), ("--model", "churn")]:
        register(chain, remote, *arguments)
    assert [each.get("model_name") for each in remote.webhooks] == [None, "churn"]


def test_another_address_can_be_named(chain: Chain, remote: Workspace) -> None:
    """A domain of one's own takes the place of the stack's address."""
    register(chain, remote, "--url", "https://relay.example.com/")
    assert remote.webhooks[0]["http_url_spec"]["url"] == "https://relay.example.com/databricks"


def test_people_see_what_was_registered(chain: Chain, remote: Workspace) -> None:
    """A person sees the webhook and how to try it."""
    said = chain.run(*REGISTER, **remote.login).output
    assert "Registered:" in said
    assert f"ACTIVE  all models  {url(chain)}" in said
    assert "webhook test" in said


def test_the_list_marks_what_posts_here(chain: Chain, remote: Workspace) -> None:
    """All pages are read; jobs' webhooks are left out, and other addresses are no part of this stack."""
    for number in range(3):
        spec = {"url": f"https://example.com/{number}"}
        remote.webhooks.append({"id": str(number), "events": [STAGE], "http_url_spec": spec})
    remote.webhooks.append({"id": "job", "events": [STAGE], "job_spec": {"job_id": "1"}})
    assert "None posts to" in chain.run("webhook", "list", **remote.login).output
    register(chain, remote)
    told = chain.told("webhook", "list", **remote.login)
    assert [each["posts_here"] for each in told] == [False, False, False, True]
    assert "●" in chain.run("webhook", "list", **remote.login).output


def test_a_test_shows_what_ingest_answered(chain: Chain, remote: Workspace) -> None:
    """The test delivery really arrives, and ingest's answer is shown."""
    register(chain, remote)
    told = chain.told("webhook", "test", "--event", STAGE, **remote.login)
    assert told["status"] == 200
    assert IGNORED.content["ignored"] in told["body"]
    [sent] = chain.ingest.sent
    assert (sent.path, sent.event["event"]) == ("/databricks", STAGE)
    assert "✓ ingest answered 200" in chain.run("webhook", "test", **remote.login).output


def test_a_test_that_is_refused_fails(cloud: Emulator, remote: Workspace) -> None:
    """A refusal is shown, and the exit code tells it."""
    with deployed(cloud, replies=[Reply(401, {"error": "No."})]) as chain:
        register(token_filled(chain), remote)
        found = chain.run("webhook", "test", **remote.login)
    assert found.exit_code == 1
    assert "✗ ingest answered 401" in found.output


def test_an_update_pushes_the_current_secret(chain: Chain, remote: Workspace) -> None:
    """After a rotation, the sender gets the new secret; its events stay as they are."""
    webhook = register(chain, remote, "--events", "COMMENT_CREATED")["webhook"]["id"]
    chain.told("secrets", "rotate-webhook", "databricks")
    told = chain.told("webhook", "update", "--force", **remote.login)
    assert remote.secrets[webhook] == chain.secret("DatabricksSecretName") != PASSWORD
    assert told["webhook"]["events"] == ["COMMENT_CREATED"]


@pytest.mark.parametrize("command", [REGISTER, ("webhook", "update")])
def test_a_secret_that_ingest_may_not_know_is_not_pushed(
    chain: Chain, remote: Workspace, command: tuple[str, ...]
) -> None:
    """For five minutes after a rotation ingest could refuse events, which Databricks sends only once."""
    webhook = register(chain, remote)["webhook"]["id"]
    chain.told("secrets", "rotate-webhook", "databricks")
    message = chain.refused(*command, **remote.login)
    assert "ingest may not know it yet" in message
    assert remote.secrets[webhook] == PASSWORD


def test_deleting_wants_a_yes(chain: Chain, remote: Workspace) -> None:
    """Without a terminal nothing is deleted unless that is said."""
    register(chain, remote)
    assert "--yes" in chain.refused("webhook", "delete", **remote.login)
    assert len(remote.webhooks) == 1
    chain.told("webhook", "delete", "--yes", **remote.login)
    assert remote.webhooks == []


def test_one_of_several_must_be_named(chain: Chain, remote: Workspace) -> None:
    """Where more than one webhook posts here, none is chosen by chance."""
    register(chain, remote)
    named = register(chain, remote, "--model", "churn")["webhook"]["id"]
    assert f"{named} (churn)" in chain.refused("webhook", "test", **remote.login)
    assert chain.told("webhook", "test", named, **remote.login)["webhook"] == named
    assert "There is no webhook zzz" in chain.refused("webhook", "test", "zzz", **remote.login)


@pytest.mark.parametrize("command", ["test", "update", "delete"])
def test_without_a_webhook_it_is_said_how_to_make_one(chain: Chain, remote: Workspace, command: str) -> None:
    """What is not registered can't be tested, updated or deleted."""
    message = chain.refused("webhook", command, **remote.login)
    assert "Make one: modelrelay webhook register" in message


def test_an_event_that_databricks_does_not_know_is_said(chain: Chain, remote: Workspace) -> None:
    """A mistyped event is refused here, with those that there are."""
    message = chain.refused(*REGISTER, "--events", "MODEL_CREATED", **remote.login)
    assert STAGE in message.partition("Databricks knows")[2]
    assert remote.webhooks == []


def test_a_missing_login_is_said(chain: Chain) -> None:
    """Without a login it is said what to set."""
    assert "Set DATABRICKS_HOST and DATABRICKS_TOKEN" in chain.refused("webhook", "list")


def test_a_wrong_login_is_said(chain: Chain, remote: Workspace) -> None:
    """What Databricks refuses is told in its words."""
    login = {**remote.login, "DATABRICKS_TOKEN": "wrong"}
    assert "Databricks refused: Invalid access token." in chain.refused("webhook", "list", **login)


def test_an_empty_secret_is_not_registered(chain: Chain, remote: Workspace) -> None:
    """A webhook without a secret would be refused by ingest for ever."""
    chain.fill("DatabricksSecretName", " ")
    message = chain.refused(*REGISTER, "--force", **remote.login)
    assert "modelrelay secrets rotate-webhook databricks" in message
    assert remote.webhooks == []


def test_a_sender_that_is_not_enabled_gets_no_webhook(cloud: Emulator, remote: Workspace) -> None:
    """A stack that does not take a sender's webhooks is not registered there."""
    with deployed(cloud, senders=["events"]) as chain:
        assert "add it to relay.ingest.senders" in chain.refused(*REGISTER, **remote.login)


def test_default_events_are_those_that_routes_want() -> None:
    """Names that only repeat another event are left out, unless a route names them."""
    made = settings("https://api.github.com")
    assert default_events(SENDERS["databricks"], made) == (STAGE,)
    assert default_events(SENDERS["mlflow"], made) == ("model_version_alias.created",)
    by_name = settings("https://api.github.com", [{"name": "a", "events": [f"{STAGE[:-5]}TO_PRODUCTION"]}])
    assert default_events(SENDERS["databricks"], by_name) == ("MODEL_VERSION_TRANSITIONED_TO_PRODUCTION",)
    jobs = settings("https://api.github.com", [{"name": "a", "events": ["job.failed"], "inputs": {}}])
    with pytest.raises(CommandError, match="No route wants any event that databricks sends"):
        default_events(SENDERS["databricks"], jobs)


WANTED = Wanted("https://example.com/mlflow", PASSWORD, ("model_version_alias.created",))


def test_mlflow_that_is_not_there_is_said() -> None:
    """A wrong address ends in a message without the address, which may hold a login."""
    with pytest.raises(CommandError, match="MLflow does not answer at that address") as told:
        Mlflow("http://user:word@127.0.0.1:1", {}).webhooks()
    assert "word" not in str(told.value)


def test_what_is_no_mlflow_is_said(chain: Chain) -> None:
    """Another server at the address is told from an MLflow."""
    with pytest.raises(CommandError, match=r"MLflow refused \(\d+\)"):
        Mlflow(chain.github.url, {}).create(WANTED)


def test_mlflow_has_no_webhook_of_one_model() -> None:
    """A filter that MLflow lacks is refused and not dropped."""
    with pytest.raises(CommandError, match="leave --model out"):
        Mlflow("http://127.0.0.1:1", {}).create(Wanted("u", "s", (), "churn"))


def test_an_event_of_another_form_is_said() -> None:
    """Databricks' event names are none of MLflow's."""
    with pytest.raises(CommandError, match="no event of MLflow's"):
        Mlflow("http://127.0.0.1:1", {}).create(Wanted("u", "s", (STAGE,)))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
        ({"MLFLOW_TRACKING_USERNAME": "u"}, None),
    ],
)
def test_mlflow_is_logged_in_to_as_by_its_own_tools(variables: dict[str, str], expected: str | None) -> None:
    """The login is where MLflow's client looks for it."""
    headers = {name.title(): value for name, value in Mlflow("http://x", variables)._headers.items()}
    assert headers.get("Authorization") == expected
