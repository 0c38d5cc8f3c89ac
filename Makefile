# `make` alone says what can be made.

PREFIX ?= /usr/local
CONFIGURATION ?= debug
# Programs that are installed are fast ones, unless told otherwise.
INSTALL_CONFIGURATION ?= release

.DEFAULT_GOAL := help
.PHONY: help bootstrap build test demo bench format lint install wheel clean

help:
	@echo 'make build            build everything ($(CONFIGURATION); CONFIGURATION=release for the fast one)'
	@echo 'make test             run every test; ends with counts'
	@echo 'make demo             start a cluster, use it from Python, stop it, start it again'
	@echo 'make bench            measure loads and commits beside ZEO and FileStorage'
	@echo 'make format           format the sources; `make lint` only checks'
	@echo 'make wheel            build dist/neo-*.whl, which contains the client library and the runtime of Swift'
	@echo 'make install PREFIX=  install neo, neoctl, ..., the client library, the Python package (default: $(PREFIX))'

bootstrap:
	@scripts/bootstrap

build: bootstrap
	swift build -c $(CONFIGURATION)

test: bootstrap
	@scripts/test

demo: bootstrap
	@CONFIGURATION=$(CONFIGURATION) scripts/demo

bench: bootstrap
	@scripts/bench $(BENCH)

format:
	swift format -i -r --configuration .swift-format Package.swift Sources Tests

lint:
	swift format lint -s -r --configuration .swift-format Package.swift Sources Tests

install: bootstrap
	@CONFIGURATION=$(INSTALL_CONFIGURATION) scripts/install '$(PREFIX)'

wheel: bootstrap
	@scripts/wheel

clean:
	rm -rf .build .venv dist
