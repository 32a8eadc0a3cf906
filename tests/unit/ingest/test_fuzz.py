"""What is fuzzed for long by `python -m tests.audit.fuzz`, for a moment: the same inputs every time."""

import pytest

from tests.audit.mutation import Mutator
from tests.audit.target import Target
from tests.audit.targets import TARGETS

INPUTS = 2_000


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_whatever_comes_breaks_no_promise(target: Target) -> None:
    """Each property of a target holds for good inputs and for such as are bent in a few places."""
    tried = 0
    for each in Mutator(target.seeds).inputs(INPUTS, seed=1):
        try:
            target.check(each)
        except Exception as error:
            raise AssertionError(f"{target.name}: {each!r}") from error
        tried += 1
    assert tried == INPUTS
