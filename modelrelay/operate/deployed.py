"""The configuration with which a stack was deployed: the file in its functions' bundle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import urllib3

from functions.core.settings import FILE_NAME, RelaySettings
from modelrelay import configuration
from modelrelay.errors import CommandError
from modelrelay.stack import Session

DEPLOYED: Final = "deployed"
CHECKOUT: Final = "checkout"
_FUNCTION: Final = "AWS::Lambda::Function"
_HANDLERS: Final = "functions."
_SECONDS: Final = 20.0


def settings(session: Session) -> RelaySettings:
    """Read the configuration from a function's bundle.

    Raises:
        CommandError: AWS refused, or the bundle holds none that this version reads.
    """
    url = _bundle_url(session)
    try:
        bundle = urllib3.request("GET", url, timeout=_SECONDS, retries=False).data
        text = zipfile.ZipFile(io.BytesIO(bundle)).read(FILE_NAME).decode()
        return RelaySettings.from_json(text)
    except (urllib3.exceptions.HTTPError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise CommandError(f"The deployed configuration can't be read ({type(error).__name__}).") from None


def settings_or_checkout(session: Session, context: Mapping[str, Any]) -> tuple[RelaySettings, str]:
    """Give the deployed configuration if it can be read, else this checkout's; and which one it is.

    Args:
        session: The stack.
        context: CDK context in place of `cdk.json`'s. Where some is given, it is this checkout that is meant.

    Raises:
        CommandError: Neither can be used.
    """
    if not context:
        try:
            return settings(session), DEPLOYED
        except CommandError:
            pass
    return configuration.settings(context).functions, CHECKOUT


def _bundle_url(session: Session) -> str:
    """Give a short-lived address of a function's bundle; it is as good as a secret."""
    names = [each.name for each in session.resources() if each.kind == _FUNCTION]
    with session.explained():
        client = session.client("lambda")
        for name in names:
            function = client.get_function(FunctionName=name)
            if function["Configuration"].get("Handler", "").startswith(_HANDLERS):
                return str(function["Code"]["Location"])
    raise CommandError("The stack has none of this program's functions.")
