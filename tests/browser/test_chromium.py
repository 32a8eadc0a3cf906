"""Finding a browser on machines for which npm has none."""

import pytest

from .chromium import INSTALLED, NoBrowserError, installed


@pytest.mark.parametrize("name", INSTALLED)
def test_an_installed_browser_is_used(name: str) -> None:
    """Each usual name of a browser, or path of a Mac's, is looked up."""
    found = installed("Darwin", "arm64", which=lambda asked: f"/there/{asked}" if asked == name else None)
    assert str(found.path).endswith(name)


def test_a_machine_without_a_browser_says_what_to_install() -> None:
    """Tests are not skipped for want of a browser: they fail with a sentence that helps."""
    with pytest.raises(NoBrowserError, match=r"Darwin on arm64\. Install Google Chrome or Chromium"):
        installed("Darwin", "arm64", which=lambda _: None)
