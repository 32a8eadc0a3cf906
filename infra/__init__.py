"""The AWS CDK stack and the settings it is built from."""

from typing import Final

STACK: Final = "ModelRelay"
"""The stack's name where there are no several environments."""
