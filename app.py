"""CDK entry point: context → settings → stack."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from infra.bundling import BundlingError
from infra.mistakes import SettingsError
from infra.settings import from_context
from infra.stack import RelayStack


def main() -> None:
    """Synthesise the stack for the account and region that the CDK CLI was called with."""
    app = cdk.App()
    environment = cdk.Environment(
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
    )
    try:
        settings = from_context(app.node.get_all_context())
        RelayStack(app, "ModelRelay", settings=settings, env=environment)
        app.synth()
    except SettingsError as error:
        sys.exit(f"\nModel Relay's configuration can't be used:\n{error}\nEvery key: docs/configuration.md\n")
    except BundlingError as error:
        sys.exit(f"\nModel Relay's functions can't be bundled: {error}\n")
    except RuntimeError as error:  # How CDK refuses what it can't build, like a VPC without private subnets.
        sys.exit(f"\nModel Relay's stack can't be built: {error}\n")


if __name__ == "__main__":
    main()
