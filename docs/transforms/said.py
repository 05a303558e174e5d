"""What the package said when a notebook was run, in the language of the book.

Nothing is run for the book, so its outputs are those of the English notebooks. What a page shows as text, and
not as the output of a program, is translated here: the results of predictions, the line above a source, and
the table of letters.
"""

import html
import re

# As the course says them: `prediction.py`, `source.py` and `notation.py` in perceiver_edu/course.
RESULT, SOURCE, UP_TO = "The result: {result}.", "`{file}`, line {line}", "up to {number:,}"
CHOICE, NUMBER = re.compile("“(.+)”"), re.compile(r"([\d.,e+-]+) (.+)")


def translate_output(output, words: dict[str, str]) -> None:
    """Replace what an output of a notebook says by its translation."""
    data = output.get("data", {})
    if result := filled(RESULT, data.get("text/plain", "")):
        said = words.get(RESULT, RESULT).format(result=result_in(result["result"], words))
        data["text/plain"] = said
        data["text/html"] = f'<p class="perceiver-reveal"><b>{html.escape(said)}</b></p>'
    if "text/markdown" in data:
        data["text/markdown"] = "\n".join(line_in(line, words) for line in data["text/markdown"].split("\n"))


def result_in(result: str, words: dict[str, str]) -> str:
    """A choice, or a number with its unit."""
    if choice := CHOICE.fullmatch(result):
        return f"“{words.get(choice[1], choice[1])}”"
    if number := NUMBER.fullmatch(result):
        unit = next((unit for unit in (number[2], f"{number[2]}s") if unit in words), number[2])  # 1 byte
        return f"{number[1]} {words.get(unit, unit)}"
    return result


def line_in(line: str, words: dict[str, str]) -> str:
    """The line above a source, or a row of a table; any other stays."""
    if source := filled(SOURCE, line):
        return words.get(SOURCE, SOURCE).format(**source)
    if line.startswith("| "):
        return "| " + " | ".join(cell_in(cell, words) for cell in line.strip("| ").split(" | ")) + " |"
    return line


def cell_in(cell: str, words: dict[str, str]) -> str:
    if up_to := filled(UP_TO, cell):
        return words.get(UP_TO, UP_TO).replace("{number:,}", up_to["number"])
    return words.get(cell, cell)


def filled(template: str, text: str) -> dict[str, str] | None:
    """What a text has in the place of the placeholders, or None for another text."""
    pattern = re.sub(r"\\{(\w+)[^}]*\\}", r"(?P<\1>.+)", re.escape(template))
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None
