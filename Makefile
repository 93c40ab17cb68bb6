# make run     set everything up and open the page
# make test    set everything up and run all that judges a change
# make fast    the tests that need neither a checkpoint nor a browser nor a server
# make stress  the browser's journey three times on a busy machine
# All start from a fresh clone, can be called again at any time, and are quick the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# One worker per core, each computing on one thread; the browser runs afterwards, with the machine to itself.
PYTEST := $(BIN)/python -m pytest
SPREAD := -n auto --dist worksteal
# The same numbers by other instructions: no vectors of the processor's own, sums in another order, two threads.
OTHERWISE := MKL_CBWR=COMPATIBLE ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=2

.PHONY: run test fast stress lint types models tests arithmetic browser snapshots clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	$(BIN)/python -m models fetch smollm2-135m
	$(BIN)/python -m models fetch minilm-l6
	$(BIN)/streamlit run app.py

# The parts one after the other, each of which can be called by itself.
test:
	@mkdir -p build && rm -f build/parts.txt
	@for part in lint types models tests arithmetic browser; do \
	    .ci/part $$part $(MAKE) --no-print-directory $$part || exit 1; \
	done

# Under two minutes.
fast: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m "not real and not browser and not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/pyright

models: $(VENV)/.installed
	$(BIN)/python -m models fetch smollm2-135m
	$(BIN)/python -m models fetch minilm-l6

tests: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(PYTEST) $(SPREAD) -m "not browser"

# Whatever is compared with numbers that one processor found has to hold on every other.
arithmetic: $(VENV)/.installed-test
	$(OTHERWISE) $(PYTEST) $(SPREAD) -m "not browser and not slow" tests/models tests/viz tests/panels tests/articles

browser: $(VENV)/.installed-test
	$(PYTEST) -m browser --junitxml=build/browser.xml

stress: $(VENV)/.installed-test models
	$(BIN)/python -m tests.stress

# Writes the snapshots anew: read the difference before you commit it.
snapshots: $(VENV)/.installed-test
	$(PYTEST) -m "not browser" --snapshot-update
	git diff --stat -- '*__snapshots__*'

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --requirement requirements-test.txt
	touch $@

clean:
	rm -rf $(VENV) build
