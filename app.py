"""CDK entry point: context → settings → stack."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from infra import bundling
from infra.bundling import BundlingError
from infra.environments import Environment
from infra.mistakes import SettingsError
from infra.review import acknowledge, review
from infra.settings import from_context
from infra.stack import RelayStack


def main() -> None:
    """Synthesise the stack for the account and region that the CDK CLI was called with."""
    app = cdk.App()
    try:
        settings = from_context(app.node.get_all_context())
        stack = RelayStack(
            app,
            settings.environment.stack,
            settings=settings,
            env=_place(settings.environment),
            synthesizer=_synthesizer(app),
        )
        review(app)
        acknowledge(stack)
        app.synth()
    except SettingsError as error:
        sys.exit(f"\nModel Relay's configuration can't be used:\n{error}\nEvery key: docs/configuration.md\n")
    except BundlingError as error:
        sys.exit(f"\nModel Relay's functions can't be bundled: {error}\n")
    except RuntimeError as error:  # How CDK refuses what it can't build, like a VPC without private subnets.
        sys.exit(f"\nModel Relay's stack can't be built: {error}\n")


def _synthesizer(app: cdk.App) -> cdk.IStackSynthesizer | None:
    """Deploy to the embedded AWS as its root: evaluating policies, it refuses the bootstrap's roles."""
    here = app.node.try_get_context(bundling.HERE_KEY) in {True, "true"}
    return cdk.CliCredentialsStackSynthesizer() if here else None


def _place(environment: Environment) -> cdk.Environment:
    """Give the account and region: the environment's own, or where the CDK CLI's credentials lead.

    A deployment with another account's credentials is then refused by the CLI, before anything is done.
    """
    return cdk.Environment(
        account=environment.account or os.environ.get("CDK_DEFAULT_ACCOUNT"),
        region=environment.region or os.environ.get("CDK_DEFAULT_REGION"),
    )


if __name__ == "__main__":
    main()
