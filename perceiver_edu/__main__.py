"""`python -m perceiver_edu`, the same as `perceiver-edu`."""

from perceiver_edu.cli import main

main()
