"""Stopping by signal: at once, but never between starting something and arranging for its end."""

from __future__ import annotations

import os
import signal

import pytest

from modelrelay.local.signals import Signals, Stopped


def send(number: signal.Signals) -> None:
    """Send a signal to ourselves."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops(number: signal.Signals) -> None:
    """Each of the signals that end a program raises `Stopped` where the main thread is."""

    def run() -> None:
        with Signals() as signals:
            send(number)
            signals.wait()

    with pytest.raises(Stopped):
        run()


def test_further_signals_do_not_disturb_the_clearing_up() -> None:
    """Whoever presses Ctrl-C twice does not leave more behind than whoever presses it once."""
    cleared = []
    with Signals():
        with pytest.raises(Stopped):
            send(signal.SIGINT)
        send(signal.SIGINT)
        cleared.append("all")
    assert cleared == ["all"]


def test_a_held_signal_comes_after_the_block() -> None:
    """What is started in a held block is also noted for its end, and then the signal takes effect."""
    noted = []

    def run() -> None:
        with Signals() as signals, signals.held():
            noted.append("started")
            send(signal.SIGTERM)
            noted.append("arranged for its end")

    with pytest.raises(Stopped):
        run()
    assert noted == ["started", "arranged for its end"]


def test_without_a_signal_a_held_block_is_just_a_block() -> None:
    """Holding back changes nothing when nobody wants us to end."""
    with Signals() as signals, signals.held():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
