"""What can be measured of how a page looks."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

ENOUGH_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, for text of normal size."""

Colour = tuple[int, int, int]

# The backgrounds are painted on each other from the outermost to the text's own, then the text's colour, so
# that transparent colours, and all ways to write a colour, come out as the reader sees them.
_COLOURS = """
() => {
  const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  const paint = (colour) => {
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const behind = (element) => {
    if (element.parentElement) behind(element.parentElement);
    return paint(getComputedStyle(element).backgroundColor);
  };
  const speaks = (element) => element.checkVisibility({ visibilityProperty: true })
    && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  return [...document.body.querySelectorAll("*")].filter(speaks).map((element) => {
    paint("white");
    const background = behind(element);
    return { text: element.textContent.trim(), background, colour: paint(getComputedStyle(element).color) };
  });
}
"""
_TOO_WIDE = """
() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > clientWidth)
    .map((element) => `${element.tagName.toLowerCase()} ${element.id || element.className}`);
}
"""


@dataclass(frozen=True)
class Text:
    """A visible text with its colours, each of red, green and blue from 0 to 255."""

    text: str
    colour: Colour
    background: Colour

    @property
    def contrast(self) -> float:
        """WCAG's contrast ratio, from 1 to 21."""
        darker, lighter = sorted((luminance(self.colour), luminance(self.background)))
        return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """WCAG's relative luminance, from 0 (black) to 1 (white)."""
    parts = [part / 255 for part in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def texts(page: Page) -> list[Text]:
    """Give every visible text of the page."""
    return [
        Text(each["text"], tuple(each["colour"]), tuple(each["background"]))
        for each in page.evaluate(_COLOURS)
    ]


def hard_to_read(page: Page) -> list[Text]:
    """Give the visible texts whose contrast is too low."""
    return [each for each in texts(page) if each.contrast < ENOUGH_CONTRAST]


def too_wide(page: Page) -> list[str]:
    """Name the elements that make the page scroll sideways."""
    return [str(each) for each in page.evaluate(_TOO_WIDE)]
