"""What turns the repository's own texts into the pages of the book. Each module is a small Sphinx extension.

`chapters` is the exception: it makes a page of a notebook before Sphinx reads it.
"""
