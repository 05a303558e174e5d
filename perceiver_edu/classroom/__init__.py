"""For teachers: notebooks as assignments for nbgrader, the grading of what is handed in, and a report.

Only `grading.py`, which nbgrader reads through nbgrader_config.py, imports nbgrader at its top.
"""
