# make demo, make test, make bench: each does its own set-up and needs only Python 3.11+ and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

RACED := $(VENV)/installed-bench

.PHONY: install demo test test-long bench check loader-tests build-twice slim audit newest lock clean
.DEFAULT_GOAL := test

# The lock holds every version with its hashes, dependencies and the build backend too: nothing else is fetched.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(RACED): $(INSTALLED) requirements-bench.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock
	@touch $@

install: $(INSTALLED)  ## the virtual environment .venv, with all that the lock names

demo: $(INSTALLED)  ## load a sample world over HTTP, build, show the leaderboard
	$(BIN)/polyledger demo

test: check loader-tests build-twice  ## everything CI runs

test-long: $(RACED)  ## what takes longer than CI may: hundreds of kills
	$(BIN)/pytest -m long -rP

bench: $(RACED)  ## measure, show beside the goals, keep in bench/history.jsonl; exits with 1 where a goal is missed
	$(BIN)/polyledger bench --vs-duckdb

check: $(INSTALLED)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint models tests

loader-tests: $(INSTALLED)
	$(BIN)/pytest

build-twice: $(INSTALLED)  ## dbt build with all tests on a loaded world, twice: the second changes nothing
	$(BIN)/python -m loaders.tests.build_twice

BASE ?= origin/main
slim: $(INSTALLED)  ## build what differs from BASE beside its models, and show what that changes in the marts
	$(BIN)/python -m loaders.tests.slim --base $(BASE) $(if $(REPORT),--report $(REPORT))

audit:  ## known weaknesses of the locked dependencies; asks PyPI
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .ci/audit.lock
	$(VENV)-audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

newest:  ## install the newest versions that pyproject.toml allows, instead of the locked ones
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade -e '.[dev]'
	@touch $(INSTALLED)

LOCKING := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --quiet --upgrade

lock: pyproject.toml  ## renew the locks of the project, of the bench's other engine and of the audit; needs uv
	$(LOCKING) pyproject.toml --extra dev -o requirements.lock
	echo 'duckdb~=2.0' | $(LOCKING) - -o requirements-bench.lock
	echo pip-audit | $(LOCKING) - -o .ci/audit.lock

clean:
	rm -rf $(VENV) $(VENV)-audit target logs .polyledger .polyledger.lock .polyledger.tmp
