# make alone lists what there is. Every target sets up what it needs by itself; a second time that takes no time.

PY := .venv/bin/python
ONLY ?=
TESTS ?=

# The lab makes network namespaces, and set-up installs packages: one line instead of a failure somewhere inside.
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
ifneq ($(shell id -u),0)
$(error needs root: sudo make $(MAKECMDGOALS))
endif
endif

.PHONY: help setup setup-demo build demo test test-long test-board test-mutation lint bench readme clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## */  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## install what is missing: packages, .venv, MicroPython, Node.js, Chromium
	@scripts/setup.sh

# The demo runs on one interpreter: it is not held up by the one that only tests use.
setup-demo:
	@scripts/setup.sh packages python micropython64 node

build: setup-demo ## compile firmware/ into build/firmware/, and the page that knocks
	@scripts/build_firmware.sh
	@scripts/build_page.sh

demo: build ## the main job, in a network made of namespaces
	@PYTHONPATH=tests $(PY) scripts/demo.py

test: setup build ## all tests but the long ones; TESTS=PATH for some
	@$(PY) -m pytest $(TESTS)

test-long: setup build ## all tests, the long ones too
	@$(PY) -m pytest -m "long or not long" $(TESTS)

test-board: setup build ## boots an arm64 board in QEMU: installs it, knocks, cuts its power
	@$(PY) -m pytest -n 0 -m "long or not long" tests/board

test-mutation: setup ## take each check of the accept path away in turn: some unit test must fail; ONLY=FILE for one
	@$(PY) tests/mutation/mutate.py $(ONLY)

lint: build ## ruff, shellcheck, and the compiler of MicroPython 1.23 on all of firmware/
	@$(PY) -m ruff check --quiet --output-format concise .
	@shellcheck scripts/*.sh .ci/run
	@shellcheck -s dash firmware/start.sh
	@shellcheck -s dash $$(grep -rlE '^#!/bin/(busybox )?sh' boards)

bench: setup build ## measure side by side with knockd and fwknopd; ONLY=NAME for one figure
	@PYTHONPATH=tests $(PY) -m bench $(ONLY)

readme: build ## put the demo's output, the last figures of make bench and the drawing into README
	@$(PY) scripts/draw_flow.py
	@PYTHONPATH=tests $(PY) scripts/update_readme.py demo
	@$(PY) scripts/update_readme.py figures

clean: ## remove what was made: build/, .venv and the page
	@rm -rf build .venv host_tools/knocklet_tool/page.html
