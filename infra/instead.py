"""Modules that take the place of packages' own in a bundle: what theirs load at once is loaded for nothing.

Each offers what the packages of a bundle import from the module that it replaces, and no more. tests/bundle
imports every module that is left, and holds what these do against what the originals do.
"""

from __future__ import annotations

from typing import Final

_POWERTOOLS: Final = '''\
"""In place of Powertools' own, which loads its metrics and its tracer too. There is the logger here."""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.package_logger import set_package_logger_handler
from aws_lambda_powertools.shared.version import VERSION

__version__ = VERSION
__all__ = ["Logger"]

set_package_logger_handler()
'''

_EVENTS: Final = '''\
"""In place of Powertools' own, which loads the events of thirty services. Name the module."""

from .s3_event import S3Event  # what its own modules want from here
'''

_DOCUMENTS: Final = '"""In place of botocore\'s own, which loads a writer of documents."""\n'

_DOCSTRINGS: Final = '''\
"""In place of botocore's own: the methods of its clients have no docstrings here.

The original can write one from a service's model, and loads a writer of reStructuredText for it.
"""


class _NoDocstring(str):
    def __new__(cls, *_args, **_options):
        return super().__new__(cls)


ClientMethodDocstring = PaginatorDocstring = WaiterDocstring = _NoDocstring
'''

_OLD_SIX: Final = '"""In place of botocore\'s copy of six, which it keeps for others and does not use."""\n'

_DATEUTIL: Final = '"""In place of dateutil: what botocore uses of it, made of Python\'s own."""\n'

_DATEUTIL_PARSER: Final = '''\
"""In place of dateutil's own, which reads times however people write them: AWS writes them in two ways."""

from datetime import datetime
from email.utils import parsedate_to_datetime


def parse(text, tzinfos=None):
    """Read a time by ISO 8601 or, as in headers, RFC 822, in which `GMT` is UTC whatever `tzinfos` says.

    Raises:
        ValueError: It is written in another way.
        TypeError: It is no text.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
'''

_DATEUTIL_TZ: Final = '''\
"""In place of dateutil's own, which reads files of time zones."""

from datetime import datetime, timezone


def tzutc():
    """Give UTC."""
    return timezone.utc


def tzlocal():
    """Give this machine's zone with the offset that it has now: a moment told in it is the right moment."""
    return datetime.now(timezone.utc).astimezone().tzinfo
'''

_TYPING_EXTENSIONS: Final = '''\
"""In place of the original: what is used of it here, which Lambda's Python has itself."""

from typing import NotRequired, Self

try:
    from typing import override
    from warnings import deprecated
except ImportError:  # a local run by an older Python

    def deprecated(*_args, **_options):
        return lambda thing: thing

    def override(method):
        return method
'''

_HTTP2: Final = '"""In place of urllib3\'s own: HTTP/2 can\'t be switched on here."""\n'

MODULES: Final = {
    "aws_lambda_powertools/__init__.py": _POWERTOOLS,
    "aws_lambda_powertools/utilities/data_classes/__init__.py": _EVENTS,
    "botocore/docs/__init__.py": _DOCUMENTS,
    "botocore/docs/docstring.py": _DOCSTRINGS,
    "botocore/vendored/six.py": _OLD_SIX,
    "dateutil/__init__.py": _DATEUTIL,
    "dateutil/parser/__init__.py": _DATEUTIL_PARSER,
    "dateutil/tz/__init__.py": _DATEUTIL_TZ,
    "typing_extensions.py": _TYPING_EXTENSIONS,
    "urllib3/http2/__init__.py": _HTTP2,
}
"""Each file's text by its place among the packages."""
