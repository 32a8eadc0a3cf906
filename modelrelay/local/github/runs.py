"""The runs that GitHub remembers; the oldest make room."""

import itertools
from collections.abc import Callable

from modelrelay.local.github.dispatch import Dispatch
from modelrelay.local.github.model import Actor, Run, Workflow

_FIRST_ID = 17_000_000_001


class Runs:
    """Starts runs and finds them again; `started` counts also those that made room."""

    def __init__(self, keep: int, clock: Callable[[], float]) -> None:
        self._keep = keep
        self._clock = clock
        self._ids = itertools.count(_FIRST_ID)
        self.forget()

    def forget(self) -> None:
        """Forget every run; ids go on counting, so none is given twice."""
        self._kept: dict[int, Run] = {}
        self.started = 0

    @property
    def newest_first(self) -> list[Run]:
        """The runs still kept."""
        return list(reversed(self._kept.values()))

    def find(self, number: int) -> Run | None:
        """Return the run of this id, if it is still kept."""
        return self._kept.get(number)

    def start(self, workflow: Workflow, dispatch: Dispatch, actor: Actor, web: str) -> Run:
        """Start a run, on the default branch unless the dispatch names another; `web` is GitHub's address."""
        number = next(self._ids)
        self.started += 1
        run = Run(
            id=number,
            number=self.started,
            workflow=workflow,
            actor=actor,
            ref=dispatch.ref or workflow.refs[0],
            inputs=dispatch.inputs,
            created_at=self._clock(),
            status="queued",
            display_title=workflow.title(dispatch.inputs, dispatch.event_type),
            html_url=f"{web}/{workflow.slug}/actions/runs/{number}",
            request=dispatch.request,
            event_type=dispatch.event_type,
        )
        self._kept[number] = run
        if len(self._kept) > self._keep:
            del self._kept[next(iter(self._kept))]
        return run
