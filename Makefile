# Everything a developer or CI needs: `make help`.
GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X foreman-dlm-updater/internal/cli.release=$(VERSION)
SCRIPTS    = $(shell git ls-files | xargs grep -lE '^\#!.*(/| )(ba|da)?sh( |$$)' | grep -v '\.txtar$$')

.DEFAULT_GOAL := help
.PHONY: help build test unit lint e2e bench demo fuzz deps clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

build: ## build the static binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

test: deps lint unit e2e ## run everything that CI runs; does its own set-up

lint: ## gofmt, vet, staticcheck, go.mod, shellcheck
	@test -z "$$(gofmt -l cmd internal test)" || { gofmt -d cmd internal test; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags e2e ./test/e2e/
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags e2e ./test/e2e/
	$(GO) mod tidy -diff
	@if command -v shellcheck >/dev/null; then shellcheck -x -P SCRIPTDIR $(SCRIPTS); \
	else test -z "$$CI" && echo "SKIPPED: shellcheck is not installed" >&2; fi

unit: ## unit tests and testscript, with the race detector
	$(GO) test -race ./...

e2e: ## a whole update on a booted host (root, systemd-nspawn)
	$(GO) test -tags e2e -count=1 -v -timeout 15m ./test/e2e/

bench: build ## measure speed and memory, as ratios
	$(GO) run ./test/bench

demo: ## three hosts that update one after the other, to look at
	@$(GO) run ./test/demo

FUZZTIME ?= 30s
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@set -e; for package in $$($(GO) list ./internal/...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

# As root on Debian what is missing is installed; elsewhere the tests say what they miss.
DEPS := shellcheck:shellcheck systemd-nspawn:systemd-container mmdebstrap:mmdebstrap ip:iproute2 dpkg-scanpackages:dpkg-dev gcc:gcc run-parts:debianutils
deps: # installs what the tests need
	@missing=; for dep in $(DEPS); do command -v "$${dep%%:*}" >/dev/null || missing="$$missing $${dep##*:}"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -o DPkg::Lock::Timeout=300 -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $$missing; \
	elif [ -n "$$missing" ]; then echo "missing packages:$$missing" >&2; fi

clean: ## remove what was built
	rm -rf bin dist
