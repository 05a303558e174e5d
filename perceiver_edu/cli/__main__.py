"""`python -m perceiver_edu.cli`, for torchrun."""

from perceiver_edu.cli import main

main()
