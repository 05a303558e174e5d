"""Answers that are written as changes to a base."""

import pytest
from patches import patched, read

BASE = """def mean(x, mask):
    total = 0
    if mask is not None:
        x = x * mask
        total = mask.sum()
    else:
        total = len(x)
    return x.sum() / total
"""


def lines_of(*changes):
    return patched(BASE, list(changes)).splitlines()


def test_a_part_of_a_line_is_replaced():
    assert lines_of("! x * mask => x * ~mask")[3] == "        x = x * ~mask"
    assert lines_of("! / total =>")[-1].split() == ["return", "x.sum()"]


def test_lines_are_replaced_and_removed_at_any_indentation():
    old, new = BASE.splitlines(), ["    if len(mask):", "        x = x[mask]"]
    expected = [*old[:2], *new, *old[4:]]
    changes = ["- if mask is not None:", "-     x = x * mask", "+ if len(mask):", "+     x = x[mask]"]
    assert lines_of(*changes) == expected
    assert lines_of(*(f"{line[:2]}    {line[2:]}" for line in changes)) == expected
    assert lines_of("- x = x * mask") == [*old[:3], *old[4:]]


def test_lines_are_added_after_those_that_are_kept():
    old = BASE.splitlines()
    assert lines_of("= total = mask.sum()", "+ if not total:", "+     raise ValueError") == [
        *old[:5],
        "        if not total:",
        "            raise ValueError",
        *old[5:],
    ]
    assert lines_of("= else:", "=     total = len(x)", "+ total += 1")[7] == "    total += 1"
    assert lines_of("= else:", "-     total = len(x)", "+     total = 1")[5:7] == [
        "    else:",
        "        total = 1",
    ]


def test_changes_follow_one_another_and_a_blank_line_parts_them():
    changes = ["- total = 0", "+ count = 0", "- return x.sum() / total", "+ return count", "! = 0 => = 1"]
    assert lines_of(*changes)[1::6] == ["    count = 1", "    return count"]
    assert len(lines_of("- total = 0", "", "- x = x * mask")) == 6
    with pytest.raises(ValueError, match="0 times"):
        lines_of("- total = 0", "- x = x * mask")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["- x = x + mask"], "0 times instead of once:\n- x = x [+] mask"),
        (["! x + mask => x"], "0 times instead of once: ! x"),
        (["! total => count"], "4 times instead of once: ! total => count"),
        (["! x * mask"], "has the form '! old => new', unlike this line: ! x [*] mask"),
        (["+ x = 1"], "0 times"),
        (["! x * mask => x", "x = 1"], "begins with one of .*: x = 1"),
        (["! x * mask => x  *  mask"], "same as its base"),
        (["- total = 0", "+ total = ("], "never closed"),
    ],
)
def test_a_change_that_does_not_fit_is_an_error(changes, message):
    with pytest.raises((ValueError, SyntaxError), match=message):
        patched(BASE, changes)


def test_an_ambiguous_line_needs_its_neighbours():
    twice = "x = 1\nif x:\n    y = 2\nelse:\n    y = 2\n"
    with pytest.raises(ValueError, match="2 times"):
        patched(twice, ["- y = 2", "+ y = 3"])
    assert patched(twice, ["= else:", "-     y = 2", "+     y = 3"]).endswith("else:\n    y = 3")


def test_answers_have_kinds_words_titles_and_bases(tmp_path):
    path = tmp_path / "00_mean.diff"
    path.write_text(
        "What this file is\n\n@@ mistake: one: two & three @@ forgotten\n! / total =>\n\n"
        "@@ base as short @@ one line\nmean = lambda x, mask: x.mean()\n\n"
        "@@ correct from short as other @@ torch\n! x.mean() => torch.mean(x)\n"
        "@@ unknown from other @@ the sum\n! mean(x) => sum(x)\n"
    )
    first, second, third = read(path, BASE)
    assert first[:3] == ("mistake", ["one: two", "three"], "forgotten")
    assert first.source == patched(BASE, ["! / total =>"])
    assert second == ("correct", [], "torch", "mean = lambda x, mask: torch.mean(x)")
    assert third == ("unknown", [], "the sum", "mean = lambda x, mask: torch.sum(x)")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("@@ unknown from nowhere @@ a\n! / total =>", "No block above is called nowhere"),
        ("@@ unknown: a\n! / total =>", "A header has the form"),
        ("@@ unknown_one @@ a\n! / total =>", "A header has the form"),
        ("@@ unknown: some words @@ a\n! / total =>", "the other kinds have none"),
        ("@@ unknown @@ a\n!x.sum() => 1", "neither Python"),
        ("@@ unknown @@ a", "same as its base"),
        ("@@ unknown @@ a\n! x.mean() => 1", "0 times"),
    ],
)
def test_an_error_names_file_line_and_block(tmp_path, block, message):
    path = tmp_path / "00_mean.diff"
    path.write_text(f"@@ correct as first @@ first\nmean = len\n{block}\n")
    with pytest.raises(ValueError, match=rf"00_mean.diff, line 3: @@ unknown.*\n.*{message}"):
        read(path, BASE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no block. A header has the form"),
        ("@@ mistake @@ no words\nmean = len", "A mistake needs words"),
        ("@@ base @@ no name\nmean = len", "there is none yet"),
        (
            "@@ correct as a @@ a\nmean = len\n@@ correct as a @@ b\nmean = max",
            "a name of its own.*there is a",
        ),
        ("@@ correct from b @@ a\n! x => y", "No block above is called b; there is none yet"),
    ],
)
def test_a_file_that_says_too_little_is_an_error(tmp_path, text, message):
    (tmp_path / "00_mean.diff").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "00_mean.diff", BASE)
