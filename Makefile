# Needs: make, and Python 3.11 or newer. Everything else goes into .venv, at the versions of constraints.txt.

# The first Python new enough, python3 before all others; or your own: make lab PYTHON=/path/to/python3.12
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c "$(NEW_ENOUGH)" 2> /dev/null && echo "$$python" && break; done)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

VENV := .venv/bin/python
READY := .venv/.ready
COURSE := course

.PHONY: help lab test test-slow test-book test-lab test-long book book-pdf notebooks messages new-exercise bench bench-full format clean

help:
	@echo "make lab        open the course in JupyterLab        more options: LAB_ARGS=\"--no-browser --port 9000\""
	@echo "                your copy of the notebooks is in the folder course; for another: COURSE=\"my folder\""
	@echo "make test       lint, types, tests and notebooks            more options: PYTEST_ARGS=\"-x -k tokenizer\""
	@echo "make test-slow  full size, packaging, browser, network; skips say why"
	@echo "make test-long  optical flow, and the outputs of the notebooks that train, at full size: half an hour on 2 cores"
	@echo "make bench      speed beside Hugging Face and ONNX Runtime, 8 to 12 minutes    options: BENCH_ARGS=\"--job one\""
	@echo "make bench-full the same with the long jobs; on a machine with a GPU, on the GPU"
	@echo "make book       the course as web pages, in build/book        as an archive, too: BOOK_ARGS=\"--zip\""
	@echo "                its live page needs npm; BOOK_ARGS=\"--complete\" fails without it"
	@echo "make book-pdf   the course to print; needs Chromium"
	@echo "make notebooks  run the notebooks and write their outputs afresh"
	@echo "                PERCEIVER_EDU_FAST=1 before make lab: smaller sizes in 03 and 06 to 10"
	@echo "make messages   bring the catalogues of the translations up to date with the English texts"
	@echo "make new-exercise ID=02.my_exercise   lay out a new exercise; CONTRIBUTING.md says what to fill in"
	@echo "make format     format the code and mend what ruff can mend"
	@echo "make clean      remove .venv and everything built"
	@echo
	@echo "The first of lab and test sets up .venv (minutes); no NVIDIA card? Then this saves gigabytes:"
	@echo "  PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make lab"

lab: $(READY)
	exec $(VENV) -m perceiver_edu.cli course --open --folder "$(COURSE)" -- $(LAB_ARGS)

# A process a core, each with one thread: twice as fast on two cores as one process with two threads.
WORKERS := -n auto --dist worksteal --maxprocesses
NOTHING_CHOSEN := 5
# The notebooks that train come last, so begin with them, each for the next free process: otherwise one process
# gets all of these, and the other waits for it.
LONGEST_FIRST = $(shell ls -r notebooks/*.ipynb)
ONE_BY_ONE := --dist load --maxschedchunk 1

test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	$(VENV) -m pytest $(WORKERS) 8 -m "not slow and not long and not network and not browser" $(PYTEST_ARGS)
	PERCEIVER_EDU_FAST=1 TQDM_DISABLE=1 $(VENV) -m pytest $(WORKERS) 8 $(ONE_BY_ONE) --nbmake $(LONGEST_FIRST)

test-slow: $(READY)
	OMP_NUM_THREADS=1 $(VENV) -m pytest $(WORKERS) 4 --timeout 1500 --durations 25 -m "(slow or network) and not browser" $(PYTEST_ARGS) || test $$? = $(NOTHING_CHOSEN)
	$(MAKE) --no-print-directory --jobs 2 --output-sync=line test-book test-lab

# The pages of the book and those of JupyterLab, beside each other.
test-book test-lab: $(READY)
	$(VENV) -m pytest --durations 12 -m browser $(if $(filter test-book,$@),tests/book,tests/browser) $(PYTEST_ARGS) || test $$? = $(NOTHING_CHOSEN)

test-long: $(READY)
	OMP_NUM_THREADS=1 $(VENV) -m pytest $(WORKERS) 4 --timeout 1500 -m long $(PYTEST_ARGS)

book book-pdf: $(READY)
	$(VENV) docs/build.py $(if $(filter book-pdf,$@),--pdf) $(BOOK_ARGS)

notebooks: $(READY)
	$(VENV) tests/notebooks/outputs.py --write

messages: $(READY)
	$(VENV) docs/catalogues.py $(MESSAGES_ARGS)

new-exercise: $(READY)
	$(VENV) tests/notebooks/new_exercise.py $(ID)

bench bench-full: $(READY)
	$(VENV) benchmarks/bench.py $(if $(filter bench-full,$@),--full) $(BENCH_ARGS)

format: $(READY)
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last, so a failed or interrupted set-up is taken up again by the next command.
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c "$(NEW_ENOUGH)" 2> /dev/null || { \
		echo "perceiver-edu needs Python 3.11 or newer, and '$(or $(PYTHON),python3)' is not one."; \
		echo "Install it, or name yours: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv: a few minutes, this once."
	@rm -f $@
	@$(VENV) -m pip --version > /dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	$(VENV) -m pip install --disable-pip-version-check --no-compile -c constraints.txt -e ".[lab,train,fast,export,book,test]"
	@touch $@
