"""Checks the whole chain, from this shell's AWS login to GitHub's workflows, one link after the other.

A check is a function that yields what it finds. None relies on another one's work, only on its verdict: where
a check that it `needs` has found a problem, it would only find the same one again, so it is left out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from modelrelay.errors import CommandError
from modelrelay.operate import doctor_github, doctor_senders, doctor_stack
from modelrelay.operate.findings import Chain, Finding, Verdict, not_checked, problem

SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """One link of the chain.

    Attributes:
        name: What it is called.
        look: Yields what it finds.
        needs: The checks without whose good end it can find nothing.
        mend: What to do where it fails altogether.
        seconds: How long it may take.
    """

    name: str
    look: Callable[[Chain], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    mend: str = "Mend what the message names, and run this again."
    seconds: float = SECONDS


CHECKS: Final = (
    Check("aws", doctor_stack.aws, mend="Log in: aws sso login, or set AWS_PROFILE or --profile."),
    Check("stack", doctor_stack.stack, ("aws",), "Deploy it: make deploy, or name --stack and --region."),
    Check("configuration", doctor_stack.configuration, ("stack",), "Mend cdk.json."),
    Check("webhook-secrets", doctor_stack.webhook_secrets, ("configuration",)),
    Check("github-secret", doctor_stack.github_secret, ("stack",), "modelrelay secrets set-github"),
    Check("clock", doctor_github.clock, ("configuration",), "Is relay.github.api_url right, and reachable?"),
    Check(
        "github-credential",
        doctor_github.credential,
        ("configuration", "github-secret"),
        "Renew it: modelrelay secrets set-github",
    ),
    Check(
        "repositories",
        doctor_github.repositories,
        ("github-credential",),
        "Mend the route's target, or let the credential reach it.",
        60.0,
    ),
    Check("workflows", doctor_github.workflows, ("github-credential",), seconds=120.0),
    Check(
        "databricks-webhook",
        doctor_senders.databricks_webhook,
        ("configuration",),
        "Set DATABRICKS_HOST and DATABRICKS_TOKEN of a user who may see the webhooks.",
        90.0,
    ),
    Check("ingest", doctor_senders.ingest, ("configuration",), "Is --url the ingest URL?", 60.0),
    Check("gate", doctor_stack.gate, ("stack",)),
    Check("alarms", doctor_stack.alarms, ("stack",)),
    Check("dead-letters", doctor_stack.dead_letters, ("stack",)),
)


def examine(
    chain: Chain, checks: Iterable[Check] = CHECKS, begun: Callable[[str], None] = lambda _name: None
) -> Iterator[Finding]:
    """Run the checks in their order, and give what each finds.

    Args:
        chain: What is checked.
        checks: The checks.
        begun: Told each check's name when it begins.
    """
    broken: set[str] = set()
    for check in checks:
        begun(check.name)
        first = next((name for name in check.needs if name in broken), "")
        found = [not_checked(f"{first} comes first")] if first else _limited(check, chain)
        if first or any(each.verdict is Verdict.PROBLEM for each in found):
            broken.add(check.name)
        for each in found:
            yield replace(each, check=check.name)


def _limited(check: Check, chain: Chain) -> list[Finding]:
    """Run a check for so long as it may take. Whatever it waits for then is left to itself."""
    found: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    threading.Thread(target=lambda: found.put(_look(check, chain)), daemon=True).start()
    try:
        return found.get(timeout=check.seconds)
    except queue.Empty:
        return [problem(f"It took longer than {check.seconds:.0f} s.", check.mend)]


def _look(check: Check, chain: Chain) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check.look(chain))
    except CommandError as error:
        found.append(problem(str(error), check.mend))
    except Exception as error:  # noqa: BLE001 - one check that fails must not end the others
        # Not its text, which might quote anything.
        found.append(problem(f"The check itself failed ({type(error).__name__}).", check.mend))
    return found
