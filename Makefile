# Everything a developer or CI needs: `make help`.
GO        ?= go
# The toolchain that go.mod names, whose standard library has no known hole; where it can't be had: GOTOOLCHAIN=local.
export GOTOOLCHAIN ?= auto
# Everything but the race detector uses the flags of the packages. With other flags Go compiles everything once more,
# including the standard library.
export CGO_ENABLED := 0
# Without HTTP/2, which the client never speaks: 0.4 MB less to load at each start. packaging/build.sh and
# .goreleaser.yaml have these flags too.
TAGS      := nethttpomithttp2
export GOFLAGS := $(filter-out -trimpath -tags=%,$(shell cd / && $(GO) env GOFLAGS 2>/dev/null)) -trimpath -tags=$(TAGS)
VERSION   ?= $(shell packaging/version.sh)
LDFLAGS   := -s -w -X foreman-dlm-updater/internal/cli.release=$(VERSION)
SCRIPTS    = $(shell git ls-files | xargs grep -lE '^\#!.*(/| )(ba|da)?sh( |$$)' | grep -vE '\.(txtar|md)$$')

# Says what takes long. test/side-by-side.sh shows it at once.
say = echo "$(1)" | tee -a "$${PROGRESS:-/dev/null}"

.DEFAULT_GOAL := help
.PHONY: help build packages repo snapshot test unit sim sim-race lint security test-rules test-foreman \
  test-hooks hooks-stubbed hooks-real test-packages test-puppet e2e bench scale chaos rounds demo fuzz docs-bad-input \
  docs-outcomes deps clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

build: ## build the static binaries into bin/
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

packages: ## .deb and .rpm for amd64 and arm64 into dist/ (settings: packaging/build.sh)
	packaging/build.sh

repo: packages ## signed apt and dnf repositories of them in dist/repo/; SIGNING_KEY names the key
	packaging/repo.sh

# Steps that compile run beside steps that mostly wait for hosts to boot; snapshot compiles while the others wait.
test: deps ## run everything that CI runs; does its own set-up
	@test/side-by-side.sh "unit lint e2e" hooks-real "test-packages test-puppet" \
	  "test-rules test-foreman hooks-stubbed snapshot"

lint: ## gofmt, vet, staticcheck, go.mod, shellcheck
	@test -z "$$(gofmt -l cmd internal test tools)" || { gofmt -d cmd internal test tools; exit 1; }
	$(GO) vet -tags e2e,$(TAGS) ./...
	$(GO) tool staticcheck -tags e2e,$(TAGS) ./...
	$(GO) mod tidy -diff
	@if command -v shellcheck >/dev/null; then \
	  shellcheck -x -P SCRIPTDIR $(SCRIPTS) packaging/completions/*.bash internal/cli/testdata/*.bash; \
	else test -z "$$CI" && echo "SKIPPED: shellcheck is not installed" >&2; fi

# These findings of gosec are meant to be so: ignored errors of closing and tidying up (G104); conversions of
# descriptors, pids and uids, which fit (G115); commands and files that root's configuration names (G204, G304); random
# numbers that only spread hosts in time (G404). Left out is what is installed nowhere: test/, tools/, the stand-in
# servers.
GOSEC := -quiet -exclude=G104,G115,G204,G304,G404 \
  -exclude-dir=test -exclude-dir=tools -exclude-dir=internal/sandbox -exclude-dir=internal/fleetsandbox \
  -exclude-dir=cmd/dlm-sandbox
# A version of the module of the Go vulnerability database, whose own server can't be reached from everywhere.
# VULNDB=latest takes the newest.
VULNDB ?= v0.0.0-20261105234957-e22db6528018
security: bin/gosec bin/govulncheck bin/vulndb-$(VULNDB) ## gosec, and govulncheck with the vulnerabilities of VULNDB
	bin/gosec $(GOSEC) ./...
	bin/govulncheck -db file://$(CURDIR)/bin/vulndb-$(VULNDB) ./...

# `go install` ignores go.mod: without GOTOOLCHAIN it would use this machine's Go, and compile the standard library
# with that too.
INSTALL = GOBIN=$(CURDIR)/bin GOTOOLCHAIN=$$($(GO) env GOVERSION) nice -n 19 $(GO) install -tags=

bin/gosec:
	$(INSTALL) github.com/securego/gosec/v2/cmd/gosec@v2.30.0

bin/govulncheck:
	$(INSTALL) golang.org/x/vuln/cmd/govulncheck@v1.9.0

bin/vulndb-%:
	$(INSTALL) golang.org/x/vulndb/cmd/indexdb@$*
	dir=$$($(GO) mod download -json golang.org/x/vulndb@$* | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); \
	rm -rf $@.new && bin/indexdb -vulns "$$dir/data/osv" -out $@.new && mv $@.new $@

unit: ## unit tests and testscript, with the race detector; 675 simulated histories
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 60m ./... # `make lint` vets
	$(GO) test -timeout 60m ./test/sim/ # with the race detector it plays 112

test-rules: ## the alerts for Prometheus, by promtool
	@if command -v promtool >/dev/null; then \
	  promtool check rules contrib/prometheus/foreman-dlm-updater.rules.yml && \
	  promtool test rules contrib/prometheus/tests.yml; \
	else test -z "$$CI" && echo "SKIPPED: promtool is not installed (Debian has it in the package prometheus)" >&2; fi

test-foreman: ## the guard for Foreman's database, with a PostgreSQL of its own (half a minute)
	test/foreman/run.sh

test-hooks: hooks-stubbed hooks-real ## the bundled hooks, both ways

hooks-stubbed: ## each branch of the bundled hooks, with stubs
	bats test/hooks/stubbed

hooks-real: ## the bundled hooks with the real tools on booted hosts (root, systemd-nspawn)
	test/hooks/real.sh

test-packages: ## contents, lintian, rpmlint, and their life on booted hosts (root, systemd-nspawn)
	env -u VERSION -u DIST test/packages/run.sh

test-puppet: ## the Puppet module: syntax, style, catalogues, facts, and on a booted host (root, systemd-nspawn)
	env -u VERSION -u DIST test/puppet/run.sh

e2e: ## whole updates on booted hosts (root, systemd-nspawn)
	$(GO) test -tags e2e,$(TAGS) -count=1 -v -timeout 60m -parallel 6 ./test/e2e/

snapshot: bin/goreleaser bin/cyclonedx-gomod ## what a release would publish, into dist/ (which is emptied before)
	PATH="$(CURDIR)/bin:$$PATH" goreleaser check
	PATH="$(CURDIR)/bin:$$PATH" VERSION="$(VERSION)" nice -n 19 goreleaser release --snapshot --clean

bin/goreleaser:
	@$(call say,snapshot: compiling goreleaser at low priority (8 minutes of processor time))
	$(INSTALL) github.com/goreleaser/goreleaser/v2@v2.15.0

bin/cyclonedx-gomod:
	$(INSTALL) github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0

HISTORIES ?= 100000
sim: ## play HISTORIES (100000) of a cluster with each lock server, or LOCK, in which all goes wrong; SEED=N shows one
	HISTORIES=$(HISTORIES) SEED=$(SEED) LOCK=$(LOCK) GOGC=400 \
	  $(GO) test -count=1 -v -timeout 5h -run 'TestHistories$$' ./test/sim/

MEETINGS ?= 2000
sim-race: ## measure the race that no client can close, in MEETINGS (2000) meetings for each settle time and latency
	CURVE=$(MEETINGS) GOGC=400 $(GO) test -count=1 -v -timeout 5h -run 'TestCurve$$' ./test/sim/

bench: build ## measure speed and memory, as ratios
	$(GO) run ./tools/bench

scale: build ## what a fleet that waits for a lock costs Foreman, and how long it takes: model, and real processes
	$(GO) run ./tools/scale

KILLS ?= 400
chaos: ## kill real updaters on 8 hosts KILLS times (400: minutes); prove that none worked when it might not; or LOCK
	KILLS=$(KILLS) LOCK=$(LOCK) $(GO) test -count=1 -v -timeout 60m ./test/chaos

ROUNDS ?= 200
rounds: ## update 8 hosts ROUNDS (200) times with each kind of lock server, and count how many are inside at once
	ROUNDS=$(ROUNDS) $(GO) test -count=1 -v -timeout 5h -run 'TestRounds|TestTooMany' ./test/chaos

demo: ## five hosts that update two at a time, and one that fails, to look at; LOCK=fleetlock: with FleetLock
	@echo "Building the demonstration: seconds, or minutes if Go's cache is empty ..."
	@$(GO) run ./tools/demo $(LOCK)

docs-bad-input: ## write the lists of bad input in docs/bad-input.md from the tests
	$(GO) run ./tools/badinput

docs-outcomes: ## write the table of what happens, and what says so, in docs/monitoring.md from the test
	$(GO) test -count=1 -run 'TestOutcomes$$' ./internal/cli -update

FUZZTIME ?= 30s
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@set -e; for package in $$($(GO) list ./internal/...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package; \
	  done; \
	done

# What the tests need, as COMMAND:PACKAGE. `make deps` installs what is missing, as root on Debian; elsewhere the tests
# say what they miss.
DEPS := bats:bats lintian:lintian rpmlint:rpmlint rpmsign:rpm createrepo_c:createrepo-c apt-ftparchive:apt-utils \
  gpg:gpg gpg-agent:gpg-agent dbus-daemon:dbus-daemon zsh:zsh fish:fish mandoc:mandoc shellcheck:shellcheck \
  systemd-nspawn:systemd-container mmdebstrap:mmdebstrap ip:iproute2 dpkg-scanpackages:dpkg-dev gcc:gcc \
  run-parts:debianutils promtool:prometheus puppet:puppet-agent puppet-lint:puppet-lint nginx:nginx
# These packages have no command; they are there if their directory is.
LIBRARIES := postgresql ruby-rspec-puppet puppet-strings puppet-module-puppetlabs-stdlib ruby-puppetserver-ca-cli
DEPS += $(foreach package,$(LIBRARIES),/usr/share/doc/$(package):$(package))

deps: # installs what the tests need
	@missing=; for dep in $(DEPS); do \
	  command -v "$${dep%%:*}" >/dev/null || [ -d "$${dep%%:*}" ] || missing="$$missing $${dep##*:}"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing what the tests need:$$missing" && \
	  apt-get -o DPkg::Lock::Timeout=300 -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $$missing; \
	elif [ -n "$$missing" ]; then echo "missing packages:$$missing" >&2; fi

clean: ## remove what was built
	rm -rf bin dist
