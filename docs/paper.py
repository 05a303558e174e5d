"""The book on paper: headless Chromium prints the one page that holds all chapters."""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOOT = '<p style="font-size:8px;margin:0 auto"><span class="pageNumber"></span></p>'


def print_book(page: Path, pdf: Path) -> Path:
    """Print a page of the book, with its outline, on A4."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("There is no Chromium on this machine to print with. Install it, or name yours in CHROMIUM.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        sheet = chromium.new_page(color_scheme="light")
        sheet.goto(page.as_uri(), wait_until="load", timeout=120_000)
        sheet.evaluate("document.documentElement.dataset.theme = 'light'")
        sheet.evaluate("document.querySelectorAll('details').forEach((folding) => folding.open = true)")
        sheet.pdf(
            path=pdf,
            prefer_css_page_size=True,
            print_background=True,
            display_header_footer=True,
            header_template="<p></p>",
            footer_template=FOOT,
            outline=True,
            tagged=True,
        )
        chromium.close()
    return pdf
