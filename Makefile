# make run   set everything up and open the page
# make test  set everything up and run every check
# Both start from a fresh clone, can be called again at any time, and are quick the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# One worker per core, each computing on one thread; the browser runs afterwards, with the machine to itself.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: run test fast lint types snapshots clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	$(BIN)/python -m models fetch smollm2-135m
	$(BIN)/python -m models fetch minilm-l6
	$(BIN)/streamlit run app.py

test: lint types
	$(BIN)/python -m models fetch smollm2-135m
	$(BIN)/python -m models fetch minilm-l6
	$(PARALLEL) -m "not browser"
	$(BIN)/python -m pytest -m browser --junitxml=build/browser.xml

# The tests that need neither a real checkpoint nor a browser, nor a server or program of their own: under two minutes.
fast: $(VENV)/.installed-test
	$(PARALLEL) -m "not real and not browser and not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/pyright

# Writes the snapshots anew: read the difference before you commit it.
snapshots: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "not browser" --snapshot-update
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
