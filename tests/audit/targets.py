"""Everything that is fuzzed, by name. The slowest is the first, so that others run beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from . import dispatch_targets, handler_target, parser_targets, verifier_targets
from .target import Target

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for module in (handler_target, parser_targets, verifier_targets, dispatch_targets)
    for target in module.targets()
}
