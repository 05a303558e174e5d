# @title On Colab and Kaggle this cell installs the course. Anywhere else it does nothing.
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    if find_spec("perceiver_edu") is None:
        as_they_are = [f"{name}=={version(name)}" for name in ("torch", "numpy")]
        pip = [sys.executable, "-m", "pip", "install", "-q", "perceiver-edu==VERSION", *as_they_are]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the course could not be installed:\n{done.stderr.strip()}")
    from perceiver_edu.course.hosted import keep_progress

    keep_progress()
elif find_spec("perceiver_edu") is None:
    raise ModuleNotFoundError(
        "the course is not installed here; in a terminal: pip install perceiver-edu[lab]"
    )
