"""The types of single configuration values. Each says, in a sentence after the key, what would be right."""

from __future__ import annotations

import difflib
import ipaddress
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from functions.core import template
from functions.core.event import KINDS, is_kind
from functions.ingest.senders import SENDERS

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ROOT: Final = Path(__file__).parents[1]
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_JOB_NAME: Final = re.compile(r"jobs\.on_[a-z][a-z0-9_]{0,99}")


def _like(pattern: str, right: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(right)
        return value

    return AfterValidator(check)


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _no_commit(value: str) -> str:
    if _SHA.fullmatch(value):
        raise ValueError("should be a branch or tag; GitHub starts no workflow on a commit's SHA")
    return value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("should be a base address, like 'https://api.github.com' or 'https://HOST/api/v3'")
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        raise ValueError("should start with https://: the credential travels with every request")
    return value.rstrip("/")


def _proxy(value: str) -> str:
    """Take a proxy without a login: it would be in the template's asset for everybody to read."""
    try:
        parts = urlsplit(value)
        right = parts.scheme == "http" and parts.hostname and parts.port and not parts.path.strip("/")
    except ValueError:
        right = False
    if not right or "@" in value:
        raise ValueError("should be an HTTP proxy without a login, like 'http://proxy.internal:3128'")
    return value.rstrip("/")


def _certificates(value: str) -> str:
    """Take a file that OpenSSL can read certificates from; relative to this checkout."""
    try:
        ssl.create_default_context().load_verify_locations(cadata=read_certificates(value))
    except (OSError, ValueError) as error:  # Of which ssl's own are kinds.
        told = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        raise ValueError(f"should be a file of PEM certificates, relative to cdk.json ({told})") from None
    return value


def read_certificates(path: str) -> str:
    """Read certificates: the `CERTIFICATE` blocks of a PEM file, and no key that may stand beside them.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds none.
    """
    text = (ROOT / path).read_text(encoding="ascii", errors="replace")
    found = _CERTIFICATE.findall(text)
    if not found:
        raise ValueError(path)
    return "\n".join(found) + "\n"


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"should be a network, like '203.0.113.0/24' ({error})") from None


def _event(value: str) -> str:
    known = sorted({*KINDS, *(name for sender in SENDERS.values() for name in sender.events)})
    if value in known or is_kind(value) or _JOB_NAME.fullmatch(value):
        return value
    raise ValueError(f"is no event{did_you_mean(value, known)}; known: {', '.join(sorted(KINDS))}, job.*")


def _sender(value: str) -> str:
    if value in SENDERS:
        return value
    raise ValueError(f"is no sender{did_you_mean(value, SENDERS)}; known: {', '.join(SENDERS)}")


def _template(value: str) -> str:
    template.check(value)
    return value


def _payload(value: Mapping[str, Any]) -> Mapping[str, Any]:
    for text in template.texts(value):
        template.check(text)
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"names '{value}' twice")
    return values


def did_you_mean(word: str, known: Iterable[str], closeness: float = 0.6) -> str:
    """Give ` (did you mean 'x'?)` where a known word is close, otherwise nothing."""
    close = difflib.get_close_matches(word, list(known), 1, closeness)
    return f" (did you mean '{close[0]}'?)" if close else ""


DISTINCT: Final = AfterValidator(_distinct)

Owner = Annotated[
    str, _like(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", "should be a GitHub user or organisation, like 'octo-org'")
]
Repository = Annotated[
    str,
    _like(
        r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}",
        "should be the repository's name without its owner, like 'models'",
    ),
]
WorkflowId = Annotated[
    str,
    BeforeValidator(_digits),
    _like(
        r"\d+|[^/\s]+\.ya?ml",
        "should be the workflow's file name, like 'deploy.yml' (without a folder), or its number",
    ),
]
Ref = Annotated[
    str,
    _like(r"[^\s~^:?*\[\\]{1,255}", "should be the name of a branch or tag, like 'main'"),
    AfterValidator(_no_commit),
]
RouteName = Annotated[
    str, _like(r"[A-Za-z0-9_-]{1,60}", "should be 1 to 60 letters, digits, hyphens or underscores")
]
Event = Annotated[str, AfterValidator(_event)]
Glob = Annotated[str, _like(r".+", "should be a name or a pattern, like 'Airline_*'")]
InputName = Annotated[
    str, _like(r"[A-Za-z_][A-Za-z0-9_-]*", "should be the name of one of the workflow's inputs")
]
Template = Annotated[str, AfterValidator(_template)]
EventType = Annotated[
    str, _like(r"[^\x00-\x1f]{1,100}", "should be 1 to 100 characters that your workflow listens to")
]
Payload = Annotated[Mapping[str, Any], Field(max_length=10), AfterValidator(_payload)]
ApiUrl = Annotated[str, AfterValidator(_address)]
ApiVersion = Annotated[
    str, _like(r"\d{4}-\d{2}-\d{2}", "should be a version of GitHub's REST API, like '2026-03-10'")
]
SecretName = Annotated[
    str,
    _like(
        r"[A-Za-z0-9/_+=.@-]{1,512}",
        "should be the name of a secret in Secrets Manager, not its value or ARN",
    ),
]
SenderName = Annotated[str, AfterValidator(_sender)]
Cidr = Annotated[str, AfterValidator(_network)]
Email = Annotated[str, _like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "should be an e-mail address")]
VpcId = Annotated[
    str, _like(r"vpc-[0-9a-f]{8,17}", "should be the id of a VPC, like 'vpc-0123456789abcdef0'")
]
KeyArn = Annotated[
    str,
    _like(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
        "should be the ARN of a key in KMS, not of an alias, like 'arn:aws:kms:eu-west-1:111122223333:key/…'",
    ),
]
CertificateArn = Annotated[
    str,
    _like(
        r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+",
        "should be the ARN of a certificate in ACM, in the stack's own region",
    ),
]
StackName = Annotated[
    str, _like(r"[A-Za-z][A-Za-z0-9-]{0,127}", "should be the name of a stack, like 'ModelRelay-prod'")
]
HostName = Annotated[
    str,
    _like(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
        "should be a host name in lower case, like 'hooks.example.com'",
    ),
]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
CaFile = Annotated[str, AfterValidator(_certificates)]
AccountId = Annotated[str, _like(r"\d{12}", "should be an AWS account's number, twelve digits as a string")]
Region = Annotated[str, _like(r"[a-z]{2,4}(-[a-z]+)+-\d", "should be an AWS region, like 'eu-west-1'")]
EnvironmentName = Annotated[
    str,
    _like(r"[a-z0-9-]{0,30}", "should be 1 to 30 lower-case letters, digits or hyphens, like 'staging'"),
]
