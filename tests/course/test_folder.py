"""The course folder: made once, brought up to date, and what a learner wrote in it is never touched."""

import json
import os

import nbformat
import pytest

from perceiver_edu import InputError
from perceiver_edu.course import folder as course_folder
from perceiver_edu.course import place, progress, renamed
from perceiver_edu.course.folder import answers, update_course

NEW = "00_first (new in 0.3.0).ipynb"


@pytest.fixture
def made(notebooks, tmp_path, monkeypatch):
    """A new course folder. Its next update is from 0.3.0."""
    monkeypatch.delenv("PERCEIVER_EDU_PROGRESS", raising=False)
    update_course(tmp_path / "course")
    monkeypatch.setattr(course_folder, "__version__", "0.3.0")
    return tmp_path / "course"


def change(path, cell=1, source="2 + 2", **more):
    """Another cell, or another output, in a notebook."""
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][cell] |= {"source": source} | more
    path.write_text(json.dumps(notebook), "utf-8")


def release(notebooks, what="a newer text"):
    """A new version of both notebooks."""
    for name in ("00_first", "01_second"):
        change(notebooks / f"{name}.ipynb", source=what)


def test_a_broken_original_is_named(made, notebooks):
    (notebooks / "01_second.ipynb").write_text("<<<<<<< HEAD")
    with pytest.raises(InputError, match=r"01_second\.ipynb is not a notebook"):
        update_course(made)


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_has_the_notebooks_as_nobody_has_run_them_and_what_they_link_to(made, notebooks):
    names = {"00_first.ipynb", "01_second.ipynb", "images/dot.png", "glossary.md", "start.ipynb"}
    assert set(files(made)) == names | {place.RECORD, "library/perceiver_edu/config.py", "library/README.md"}
    copy = nbformat.read(made / "00_first.ipynb", as_version=4)
    nbformat.validate(copy)
    assert "](library/perceiver_edu/config.py)" in copy.cells[0].source
    assert copy.cells[1].source == "1 + 1" and "sum-still" not in [cell.id for cell in copy.cells]
    assert all(not c.outputs and c.execution_count is None for c in copy.cells if c.cell_type == "code")
    assert "committed output" in (notebooks / "00_first.ipynb").read_text()


def test_without_a_new_version_nothing_is_written(made):
    change(made / "00_first.ipynb")
    before = files(made)
    update = update_course(made)
    assert files(made) == before
    assert not (update.made or update.added or update.replaced or update.beside)


def run(path):
    change(path, source="1 + 1", outputs=[nbformat.v4.new_output("stream", text="2")], execution_count=1)


@pytest.mark.parametrize("untouched", [lambda path: None, run, lambda path: path.unlink()])
def test_a_notebook_in_which_nothing_was_written_is_replaced(made, notebooks, untouched):
    untouched(made / "00_first.ipynb")
    release(notebooks)
    update_course(made)
    assert "a newer text" in (made / "00_first.ipynb").read_text()
    assert not (made / NEW).exists()


@pytest.mark.parametrize(
    "touch", [change, lambda path: path.write_text("{"), lambda path: change(path, cell=3, source="f = 1")]
)
def test_what_the_learner_changed_stays_and_the_new_version_is_next_to_it(made, notebooks, touch):
    touch(made / "00_first.ipynb")
    before = (made / "00_first.ipynb").read_bytes()
    release(notebooks)
    update = update_course(made)
    assert (made / "00_first.ipynb").read_bytes() == before
    assert (update.replaced, update.beside) == (["01_second.ipynb", "start.ipynb"], {"00_first.ipynb": NEW})
    assert "a newer text" in (made / NEW).read_text()
    page = json.loads((made / "start.ipynb").read_text("utf-8"))["cells"][0]["source"]
    assert "[00_first.ipynb](00_first.ipynb): " in page
    assert f"[{NEW}](00_first%20%28new%20in%200.3.0%29.ipynb)" in page
    before = files(made)
    assert not update_course(made).beside and files(made) == before


def test_a_release_in_which_only_its_number_is_new_gives_no_new_versions(notebooks, tmp_path):
    def number(version):
        links = f"https://mybinder.org/v2/gh/a/v{version}?urlpath=lab https://example.org/blob/v{version}/x"
        for name in ("00_first", "01_second"):
            change(notebooks / f"{name}.ipynb", source=f'pip = ["install", "perceiver-edu=={version}"]')
            change(notebooks / f"{name}.ipynb", cell=0, source=f"# A title\n\n{links}")

    number("0.2.0")
    made = tmp_path / "course"
    update_course(made)
    change(made / "00_first.ipynb", cell=3, source="f = 1  # mine")
    before = (made / "00_first.ipynb").read_bytes()
    number("0.3.0rc1")
    update = update_course(made)
    assert (update.replaced, update.beside) == (["01_second.ipynb"], {})
    assert (made / "00_first.ipynb").read_bytes() == before
    assert (made / "01_second.ipynb").read_text().count("0.3.0rc1") == 3
    assert not update_course(made).replaced
    change(made / "01_second.ipynb", source='pip = ["install", "perceiver-edu==0.3.0rc1", "mine"]')
    number("0.4.0")
    update = update_course(made)
    assert not update.replaced and not update.beside and "mine" in (made / "01_second.ipynb").read_text()


def test_a_new_version_that_the_learner_removed_or_renamed_does_not_come_back(made, notebooks):
    change(made / "00_first.ipynb")
    release(notebooks)
    update_course(made)
    new = (made / NEW).read_bytes()
    (made / NEW).unlink()
    update_course(made)
    assert not (made / NEW).exists()
    (made / "00_first.ipynb").write_bytes(new)  # as when it was given the old one's name
    release(notebooks, "the newest text")
    assert update_course(made).beside == {}


def test_of_new_versions_only_those_are_removed_in_which_nothing_was_written(made, notebooks, monkeypatch):
    change(made / "00_first.ipynb")
    release(notebooks, "first")
    update_course(made)
    release(notebooks, "second")  # of the same number, as in a checkout
    assert update_course(made).beside == {"00_first.ipynb": NEW}
    change(made / NEW, source="mine, too")
    release(notebooks, "third")
    third = "00_first (new in 0.3.0, 2).ipynb"
    assert update_course(made).beside == {"00_first.ipynb": third}
    monkeypatch.setattr(course_folder, "__version__", "0.4.0")
    release(notebooks, "fourth")
    update_course(made)
    assert "mine, too" in (made / NEW).read_text() and not (made / third).exists()
    assert "fourth" in (made / "00_first (new in 0.4.0).ipynb").read_text()


def test_solved_exercises_are_carried_into_the_new_version(made, notebooks):
    change(made / "01_second.ipynb", cell=3, source="def f():\n    return 1  # mine\n\n\ncheck('01.a', f)")
    change(made / "00_first.ipynb", cell=0, source="no answer, but a note")
    release(notebooks)
    update_course(made)  # without answers at first
    before = (made / "01_second.ipynb").read_bytes()
    update = update_course(made, carry_answers=True)
    new = "01_second (new in 0.3.0).ipynb"
    assert update.carried == ["01.a"] and update.beside == {"01_second.ipynb": new}
    cells = nbformat.read(made / new, as_version=4).cells
    assert "return 1  # mine" in cells[3].source and "NotImplementedError" in cells[7].source
    assert cells[1].source == "a newer text" and (made / "01_second.ipynb").read_bytes() == before
    assert update_course(made, carry_answers=True).carried == []
    release(notebooks, "later still")
    change(made / "01_second.ipynb", cell=3, source="f = 2  # my last")
    os.utime(made / new, (1, 1))  # long before
    assert update_course(made, carry_answers=True).carried == ["01.a"]
    assert "a newer text" in (made / new).read_text(), "the one with answers is theirs, too"
    assert "my last" in (made / "01_second (new in 0.3.0, 2).ipynb").read_text()


@pytest.fixture
def renumbered(made, notebooks, monkeypatch):
    """In the new version, 01_second is 02_second, and its exercise 01.a is 02.a."""
    monkeypatch.setitem(renamed.FILES, "01_second.ipynb", "02_second.ipynb")
    monkeypatch.setitem(renamed.EXERCISES, "01.a", "02.a")
    text = (notebooks / "01_second.ipynb").read_text("utf-8").replace("01.a", "02.a")
    (notebooks / "01_second.ipynb").unlink()
    (notebooks / "02_second.ipynb").write_text(text, "utf-8")
    return made


def test_a_notebook_with_another_number_takes_the_old_ones_place(renumbered):
    update = update_course(renumbered)
    assert update.added == ["02_second.ipynb"] and update.beside == {}
    assert not (renumbered / "01_second.ipynb").exists()


@pytest.mark.parametrize("first", [False, True])
def test_what_a_learner_wrote_under_an_old_number_stays_and_can_be_carried(renumbered, first):
    """`first`: the new notebook is there already when the answers are asked for."""
    mine = "def f():\n    return 1  # mine\n\n\ncheck('01.a', f)"
    change(renumbered / "01_second.ipynb", cell=3, source=mine)
    before = (renumbered / "01_second.ipynb").read_bytes()
    if first:
        update = update_course(renumbered)
        assert (update.beside, update.carried) == ({"01_second.ipynb": "02_second.ipynb"}, [])
        assert "mine" not in (renumbered / "02_second.ipynb").read_text()
    assert update_course(renumbered, carry_answers=True).carried == ["02.a"]
    assert (renumbered / "01_second.ipynb").read_bytes() == before
    cells = json.loads((renumbered / "02_second.ipynb").read_text("utf-8"))["cells"]
    assert cells[3]["source"] == mine.replace("01.a", "02.a")
    again = update_course(renumbered, carry_answers=True)
    assert (again.added, again.beside, again.carried) == ([], {}, [])
    assert again.replaced in ([], ["start.ipynb"])  # the page counts


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["def f():\n    raise NotImplementedError"], {}),
        (["def f():\n    # raise NotImplementedError\n    return 1"], None),
        (
            ["def f():\n    return 1", "check('00.a', f)"],
            {"00.a": "def f():\n    return 1\n\ncheck('00.a', f)"},
        ),
        (["  \n"], {}),
    ],
)
def test_an_answer_is_a_stub_that_no_longer_says_not_implemented(sources, expected):
    tag = {"exercise": {"id": "00.a", "role": "stub"}}
    cells = [nbformat.v4.new_code_cell(source, metadata=tag) for source in sources]
    notebook = json.dumps(nbformat.v4.new_notebook(cells=cells)).encode()
    assert answers([b"{", b"\x89PNG", notebook]) == ({"00.a": sources[0]} if expected is None else expected)


def test_answers_in_the_originals_of_a_checkout_are_never_replaced(notebooks, tmp_path):
    """Before there were copies, learners solved the exercises there; a `git checkout` comes later."""
    clean = (notebooks / "00_first.ipynb").read_bytes()
    change(notebooks / "00_first.ipynb", cell=3, source="f = 1  # mine")
    update_course(tmp_path / "course")
    (notebooks / "00_first.ipynb").write_bytes(clean)
    assert list(update_course(tmp_path / "course").beside) == ["00_first.ipynb"]
    assert "mine" in (tmp_path / "course" / "00_first.ipynb").read_text()


@pytest.mark.parametrize("number", range(4))
def test_an_update_that_breaks_off_loses_nothing_and_is_made_up_for(made, notebooks, monkeypatch, number):
    change(made / "00_first.ipynb", source="mine")
    release(notebooks)
    left = iter(range(number))

    def write(path, content):
        if next(left, None) is None:
            raise OSError("the disk is full")
        path.write_bytes(content)

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(course_folder, "write_whole", write)
        update_course(made)
    update_course(made)
    texts = {name: content.decode() for name, content in files(made).items() if name.endswith(".ipynb")}
    assert "mine" in texts["00_first.ipynb"]
    assert "a newer text" in texts[NEW] and "a newer text" in texts["01_second.ipynb"]
    assert set(texts) == {"00_first.ipynb", NEW, "01_second.ipynb", "start.ipynb"}


def test_notes_on_the_start_page_stay(made):
    change(made / "start.ipynb", cell=0, source="my notes")
    (made / "progress.json").write_text('{"done": {"00.a": "2026-01-01"}}')
    update = update_course(made)
    assert update.start == made / "start.ipynb" and not update.beside
    text = update.start.read_text("utf-8")
    assert "my notes" in text and "1 of 3" in text and "0 of 3" not in text
    (made / "start.ipynb").write_text("{")
    assert update_course(made).start.read_text("utf-8") == "{"


def test_progress_from_before_is_taken_along_once(notebooks, tmp_path, monkeypatch):
    monkeypatch.delenv("PERCEIVER_EDU_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert progress.mark_done("00.a") == ""
    course = tmp_path / "home" / "perceiver-course"
    update_course(course)
    assert set(progress.read_progress()[0]) == {"00.a"} and progress.progress_file().parent == course
    progress.progress_file().unlink()
    update_course(course)
    assert progress.read_progress() == ({}, ""), "the learner has started again"


def test_old_progress_that_cannot_be_read_is_said(notebooks, tmp_path, monkeypatch):
    monkeypatch.delenv("PERCEIVER_EDU_PROGRESS", raising=False)
    progress.outside().parent.mkdir(parents=True)
    progress.outside().write_text("{")
    assert "is damaged" in update_course(tmp_path / "course").problem


@pytest.mark.skipif(os.name == "nt", reason="Windows finds a home folder elsewhere")
def test_without_a_home_folder_there_is_no_old_progress(notebooks, tmp_path, monkeypatch):
    monkeypatch.setattr(place, "user_data", lambda: place.at_home("~nobody-of-this-name"))
    monkeypatch.setattr(progress, "user_data", place.user_data)
    assert update_course(tmp_path / "course").problem == ""


@pytest.mark.parametrize("there", ["folder", "file", "originals"])
def test_other_things_are_not_mixed_with_a_course(notebooks, tmp_path, there):
    place = {"folder": tmp_path, "file": notebooks / "notes.txt", "originals": notebooks}[there]
    before = files(tmp_path)
    with pytest.raises(InputError, match="is not empty and is not a course folder"):
        update_course(place)
    assert files(tmp_path) == before


@pytest.mark.parametrize("record", ["", "[]", '{"written": 3}', '{"written": {"a": [1]}}', "[" * 100_000])
def test_a_damaged_record_is_refused_and_the_remedy_loses_nothing(made, notebooks, record):
    change(made / "00_first.ipynb", source="mine")
    (made / place.RECORD).write_text(record)
    before = files(made)
    with pytest.raises(InputError, match="then every notebook counts as yours"):
        update_course(made)
    assert files(made) == before
    (made / place.RECORD).write_text('{"written": {}}')
    release(notebooks)
    assert {"00_first.ipynb", "01_second.ipynb"} <= set(update_course(made).beside)
    assert "mine" in (made / "00_first.ipynb").read_text()


@pytest.mark.skipif(os.name != "posix", reason="pipes and links as POSIX has them")
def test_a_pipe_is_refused_and_a_link_is_followed(made, notebooks, tmp_path):
    (made / "01_second.ipynb").rename(tmp_path / "elsewhere.ipynb")
    (made / "01_second.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    release(notebooks)
    update_course(made)
    assert (
        "a newer text" in (tmp_path / "elsewhere.ipynb").read_text()
        and (made / "01_second.ipynb").is_symlink()
    )
    (made / "00_first.ipynb").unlink()
    os.mkfifo(made / "00_first.ipynb")
    with pytest.raises(InputError, match="is not a plain file"):
        update_course(made)
