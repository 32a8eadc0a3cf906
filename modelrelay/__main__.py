"""`python -m modelrelay` is `modelrelay`."""

from modelrelay.cli import main

main()
