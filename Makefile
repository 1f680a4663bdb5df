# `make demo` and `make test` need Python 3.11+, git and make; they set up .venv by themselves.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
REAL_TIME := $(addprefix tests/,end_to_end load sdk session)
MANY_RUNS := $(addprefix tests/end_to_end/,test_errors.py test_runs.py)

.PHONY: demo test lint browser sdk-npm bench soak scenarios sample-baseline sample-screenshots docs clean help

help:
	@echo "make demo   embedded server, 20 callers for 30 s, a report"
	@echo "make test   lint, types, import contracts, all tests"
	@echo "make lint   ruff, mypy, import contracts"
	@echo "make sdk-npm  turns of the npm packages openai and @openai/agents (needs Node.js)"
	@echo "make bench  what the engine carries beside other clients: 30 min of a quiet machine"
	@echo "make soak   ten minutes at 90 % of that, 30 at 500 sessions"
	@echo "make scenarios  each scenario for 20 s, 12 min in all; FAULTS=1 or WITHHELD=1 for those"
	@echo "make sample-baseline  the run that ours are compared with, anew: 3 min of a quiet machine"
	@echo "make docs   the glossary and the list of options, from the code"
	@echo "make sample-screenshots  pictures of a report, anew: a minute of a quiet machine"
	@echo "make clean  remove .venv and caches"

demo: $(VENV)/.installed
	$(BIN)/rtbench demo

# Tests that compute take all cores; those in a browser share its pages; those that wait for real
# time wait beside each other, but for two files whose many runs do so by themselves.
test: lint browser
	$(BIN)/pytest -n logical --dist worksteal --ignore=tests/browser $(REAL_TIME:%=--ignore=%)
	$(BIN)/pytest tests/browser
	$(BIN)/pytest -n 3 --dist loadfile $(REAL_TIME) $(MANY_RUNS:%=--ignore=%)
	$(BIN)/pytest $(MANY_RUNS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The report is tested in a real Chromium; playwright drives the system's and downloads none.
browser:
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	     && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	|| { echo "make test: no Chromium found; install it: sudo apt-get install chromium"; exit 1; }

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "rtbench needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	|| { rm -rf $(VENV); echo "no venv module; install it: sudo apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(INPUTS)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.created $(INPUTS)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@

# OpenAI's own JavaScript clients against the embedded server, over wss.
sdk-npm: $(VENV)/.installed-dev
	cd tests/sdk/npm && npm install --no-audit --no-fund
	$(BIN)/python tests/sdk/npm/check.py

# Both keep their results in tests/benchmarks/RESULTS.md when given WRITE=1.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks $(if $(WRITE),--write)

soak: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.soak $(if $(WRITE),--write)

# Whether each scenario shows what it is about; WRITE=1 keeps the table in scenarios/RESULTS.md.
scenarios: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.scenarios $(if $(FAULTS),--faults) \
	  $(if $(WITHHELD),--withheld) $(if $(WRITE),--write) $(if $(ONLY),--only $(ONLY))

# The name of the host that made it is nobody's business.
sample-baseline: $(VENV)/.installed
	$(BIN)/rtbench serve --vad energy & server=$$!; trap "kill $$server" EXIT; sleep 5; \
	rm -rf reports/sample-run; \
	$(BIN)/rtbench run .github/latency/brief.py -u 14 -r 14 -t 150s --vad-silence-ms 200 \
		--run-id sample-run && sed -i "s/\"$$(hostname)\([_\"]\)/\"sample\1/" reports/sample-run/run.json && \
	$(BIN)/rtbench baseline promote reports/sample-run --store reports --name sample-baseline --keep 0

# What README files say of metrics, outcomes, commands and options; tests compare them.
docs: $(VENV)/.installed
	$(BIN)/python -m bench.analysis.glossary > reports/GLOSSARY.md
	$(BIN)/python -m bench.reference > bench/COMMANDS.md

# Twenty callers for 40 s, and what their report looks like, light and dark.
sample-screenshots: $(VENV)/.installed-dev browser
	$(BIN)/rtbench serve --vad energy --reply-delay-ms 300 --reply-jitter-ms 60 & server=$$!; trap "kill $$server" EXIT; \
	sleep 5; rm -rf reports/sample-run; \
	$(BIN)/rtbench run ask -u 20 -r 10 -t 40s --record 3 --vad-silence-ms 200 --run-id sample-run; \
	sed -i "s/\"$$(hostname)\([_\"]\)/\"sample\1/; s#$(CURDIR)/##g" reports/sample-run/run.json && \
	$(BIN)/rtbench report reports/sample-run --limits .github/latency/limits.yaml && \
	$(BIN)/python -m tests.browser.screenshots reports/sample-run reports/sample

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
