"""On Colab and Kaggle, where a machine is gone when its session ends: progress is kept on Google Drive."""

import os
from pathlib import Path

from perceiver_edu.course.place import translated
from perceiver_edu.course.progress import PROGRESS_VARIABLE, note, read_all
from perceiver_edu.language import to_translate

DRIVE = Path("/content/drive/MyDrive")  # where Colab mounts it


def keep_progress(drive: Path = DRIVE) -> None:
    """Note progress on Google Drive where it is mounted, with what is done already; otherwise say how to.

    The first code cell of every notebook calls this on Colab and Kaggle, and nowhere else.
    """
    if PROGRESS_VARIABLE in os.environ:
        return
    if not drive.is_dir():
        how = translated("mount Google Drive (the folder symbol on the left) and run this cell again")
        print(
            translated("Your progress is lost when this session ends. To keep it on Colab, {how}.", how=how)
        )
        return
    before = read_all()
    os.environ[PROGRESS_VARIABLE] = str(drive / "perceiver-edu" / "progress.json")
    problem = note(before.done, before.predictions, to_translate("The course works"))
    print(problem or translated("Your progress is kept in {file}.", file=os.environ[PROGRESS_VARIABLE]))
