"""How nbgrader grades this course: the released notebook with the student's answers in it, run within limits.

nbgrader runs every cell of what is handed in, gives up a whole submission when one cell ends the kernel, and
has no limit but a time per cell. The two steps below replace those two of nbgrader's.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_output
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    DeduplicateIds,
    Execute,
    LimitOutput,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_locked, is_solution
from traitlets import Bool, Integer

from perceiver_edu.classroom.feedback import safe_html
from perceiver_edu.classroom.handed_in import with_answers
from perceiver_edu.errors import InputError

# As in course/checks.py and course/progress.py. Importing them would load torch in every command of nbgrader.
STRICT_VARIABLE, PROGRESS_VARIABLE = "PERCEIVER_EDU_STRICT", "PERCEIVER_EDU_PROGRESS"
STOPPED = "Stopped"  # the name of the error in a cell that was not run to its end
ENDED = "Python ended while this cell ran, or at the end of the one before it"
MOST_OUTPUT = 2**20  # characters of a cell's output that are kept
# What a student's code may see of the teacher's environment: tokens and passwords are often kept there.
PASSED = {
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
}
PASSED |= {"SYSTEMROOT", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "JUPYTER_PATH"}
PASSED |= {"PERCEIVER_EDU_WEIGHTS", "PERCEIVER_EDU_LANGUAGE", "HF_HOME", "OMP_NUM_THREADS"}


def configure(c: Any) -> None:
    """nbgrader's steps for this course, in the configuration `c` of nbgrader_config.py."""
    c.ClearSolutions.code_stub = {"python": ""}  # the stub is in the answer cell, above the solution
    c.Autograde.sanitize_preprocessors = [
        PutAnswersIn, ClearOutput, DeduplicateIds, OverwriteKernelspec, OverwriteCells, CheckCellMetadata,
    ]  # fmt: skip
    c.Autograde.autograde_preprocessors = [
        RunAnswers, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata,
    ]  # fmt: skip
    c.HTMLExporter.sanitize_html = True  # feedback must not run a student's scripts in the teacher's browser
    # nbgrader's feedback page cleans outputs by the first and passes what students write through the second.
    c.HTMLExporter.filters = {"clean_html": safe_html, "strip_files_prefix": safe_html}


class PutAnswersIn(NbGraderPreprocessor):
    """Replaces a submission by the released notebook, with the student's answers and added cells in it."""

    def preprocess(self, nb, resources):
        about = resources["nbgrader"]
        path = Path("release", about["assignment"], f"{about['notebook']}.ipynb").absolute()
        if not path.is_file():
            raise InputError(
                f"{path} is missing: nbgrader generate_assignment {about['assignment']} writes it"
            )
        return with_answers(nbformat.read(path, as_version=4), nb), resources


class RunAnswers(Execute):
    """Runs a submission. A cell that takes too long, or ends the kernel, costs its own points only.

    After such a cell a fresh kernel runs what came before it, without the cells at fault, and goes on.
    """

    timeout = Integer(120, allow_none=True, help="Seconds for one cell.").tag(config=True)
    timeout_of_notebook = Integer(1200, help="Seconds for all cells of a notebook.").tag(config=True)
    memory = Integer(4, help="GiB that a kernel may use; Linux only.").tag(config=True)
    interrupt_on_timeout = Bool(False, help="Code can ignore an interrupt, so the kernel is ended.")
    iopub_timeout = Integer(30).tag(config=True)

    def preprocess(self, nb, resources, km=None):
        self.end = time.monotonic() + self.timeout_of_notebook
        self.at_fault: set[int] = set()
        self.stopped_answer = False  # was the cell before this one an answer that did not run to its end?
        with TemporaryDirectory(prefix="perceiver-edu-") as self.progress:
            return super().preprocess(nb, resources, km)

    def start_new_kernel(self, **kwargs):
        kwargs["env"] = environment(Path(self.progress))
        if os.name != "nt":
            kwargs["preexec_fn"] = limits(self.memory)
        return super().start_new_kernel(**kwargs)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        self.written = 0
        above, self.stopped_answer = self.stopped_answer, False
        if time.monotonic() > self.end:
            stop(cell, f"the cells before this one took more than {self.timeout_of_notebook} seconds")
            return cell, resources
        if above and is_grade(cell):
            stop(cell, "the answer above was not run to its end")
            return cell, resources
        try:
            super().preprocess_cell(cell, resources, index)
        except (CellTimeoutError, DeadKernelError) as error:
            late = isinstance(error, CellTimeoutError)
            stop(cell, f"this cell took more than {self.timeout} seconds" if late else ENDED)
            self.stopped_answer = is_solution(cell)
            self.go_on_after(index)
        shorten(cell)
        return cell, resources

    def go_on_after(self, index: int) -> None:
        """A fresh kernel in the state before the cells at fault: this one, and the one before it.

        The one before counts too, because `exit()` ends a kernel only after its cell is done. Where that
        does not help, the student's other cells are left out as well.
        """
        code = [i for i, cell in enumerate(self.nb.cells[: index + 1]) if cell.cell_type == "code"]
        self.at_fault |= set(code[-2:])
        before = [i for i in code if not is_grade(self.nb.cells[i])]
        locked = [i for i in before if is_locked(self.nb.cells[i])]
        for again in ([i for i in before if i in locked or i not in self.at_fault], locked):
            run_sync(self.async_restart)()
            if all(self.runs_again(i) for i in again):
                return

    def runs_again(self, index: int) -> bool:
        cell = self.nb.cells[index]
        try:
            self.execute_cell(new_code_cell(cell.source), index)
            return True
        except (CellTimeoutError, DeadKernelError):
            return False
        finally:
            self.nb.cells[index] = cell  # with the outputs of its first run

    async def async_restart(self) -> None:
        self.kc.stop_channels()
        await self.km.restart_kernel(now=True)
        await self.async_start_new_kernel_client()

    def output(self, outs, msg, display_id, cell_index):
        """Outputs up to a limit. A warning on stderr is no mistake, so it does not cost the points."""
        self.written += len(str(msg["content"]))
        if self.written > MOST_OUTPUT:
            return None  # an error is recorded all the same, from the kernel's reply
        if msg["msg_type"] == "stream":
            msg["content"]["name"] = "stdout"
        return super().output(outs, msg, display_id, cell_index)


def environment(progress: Path) -> dict[str, str]:
    """Of a student's kernel. The teacher's progress file is not touched, and no graphics card is used."""
    passed = {name: value for name, value in os.environ.items() if name.upper() in PASSED}
    ours = {PROGRESS_VARIABLE: str(progress / "progress.json"), STRICT_VARIABLE: "1"}
    return passed | ours | {"CUDA_VISIBLE_DEVICES": "", "NBGRADER_EXECUTION": "autograde"}


def limits(memory: int) -> Callable[[], None]:
    """What the kernel's process does first: it gives up more memory than `memory` GiB, and large files."""
    import resource

    def set_limits() -> None:
        for what, wanted in (
            (resource.RLIMIT_DATA, memory * 2**30),
            (resource.RLIMIT_FSIZE, 2**28),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(what)[1]
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(what, (most, most))

    return set_limits


def stop(cell: nbformat.NotebookNode, why: str) -> None:
    cell.outputs.append(new_output("error", ename=STOPPED, evalue=why, traceback=[f"{STOPPED}: {why}"]))


def shorten(cell: nbformat.NotebookNode) -> None:
    """Errors have messages of any length."""
    for output in cell.outputs:
        if output.output_type == "error":
            output.evalue = output.evalue[:MOST_OUTPUT]
            output.traceback = [line[:MOST_OUTPUT] for line in output.traceback[:100]]
