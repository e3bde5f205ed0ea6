# make            what there is to make
# Everything lands in build/ and in node_modules/ beside each package.json;
# make clean removes both.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
CYCLONEDX   := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
# A peer for the measurements.
KUBELOGIN   := github.com/Azure/kubelogin@v0.2.10
# The newest that this Go builds. Its first build takes some minutes, so make test does
# without it.
GORELEASER  := go run github.com/goreleaser/goreleaser/v2@v2.16.0

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
HELPER   := build/oci-oidc-helper$(if $(filter Windows_NT,$(OS)),.exe)
OPENCODE := e2e/opencode/node_modules
PEERS    := provider registry openai continue browser host2# of npm, below e2e
RACE     := $(if $(shell command -v $$(go env CC)),-race)
SKIPS    := build/skips
TIMES    := build/times
# Tags and flags of the helper are those of goreleaser.yaml; a test compares them.
# Functions that begin at every 16 bytes, not 32, make 80 kB less.
GO_BUILD := CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath
LDFLAGS  := -s -w -funcalign=16
CORES    := $(shell getconf _NPROCESSORS_ONLN)
NPM      := npm --no-audit --no-fund --no-update-notifier --loglevel=error

step  = @echo '==> $(1)'
comma := ,

export OCI_OIDC_HELPER := $(CURDIR)/$(HELPER)

.PHONY: help build test check stress downloads lint test-go test-windows test-shim e2e fuzz mutate vuln demo demo-tui pictures bench clean release releases release-snapshot release-npm release-check build/manual

help:
	@echo 'make build      the helper, into $(HELPER)'
	@echo 'make demo       the real OpenCode signs in to a stand-in identity domain and answers'
	@echo 'make demo-tui   the same, left open in the OpenCode TUI to try by hand'
	@echo 'make check      the part of make test that takes two minutes, to run while working'
	@echo 'make test       everything that has to hold; says at its end what it skipped and why, and what took how long'
	@echo '  make lint       formatting, go vet, staticcheck, types of the shim, workflows'
	@echo '  make test-go    the Go tests$(if $(RACE),$(comma) under the race detector)'
	@echo '  make test-windows  the Go tests for Windows, under wine'
	@echo '  make test-shim  the tests of the shim, under Node; make e2e runs them under Bun, too'
	@echo '  make e2e        the real OpenCode, a browser, a certified identity provider'
	@echo '  make fuzz       each fuzzer for FUZZTIME, such as 10m'
	@echo '  make vuln       known vulnerabilities and signatures of what is used'
	@echo 'make stress     the tests again and again while both cores are busy: hours'
	@echo 'make mutate     removes each check of CONFORMANCE.md and runs its test: half an hour'
	@echo 'make pictures   the pictures of README.md and docs/, taken again'
	@echo 'make bench      the measurements'
	@echo 'make release-snapshot   all that a release publishes, into dist/'
	@echo 'make release-check      builds that twice and compares the bytes'
	@echo 'make clean      removes what make built and installed'

# --- build ---

build: $(HELPER)

# Go knows better than make what is out of date.
.PHONY: $(HELPER)
$(HELPER):
	$(call step,building $@ $(VERSION))
	@$(GO_BUILD) -ldflags '$(LDFLAGS) -X main.version=$(VERSION)' -o $@ ./cmd/oci-oidc-helper

# --- test ---

# Steps that keep both cores busy run one after the other, also under make -j. The Go tests
# wait for processes half of their time, and those under wine for wine's server, so these two
# run beside each other: the output of each comes at its end, and one that fails ends the
# other. Meanwhile, all that is needed later is downloaded. The table at the end has the time
# of each step.
STEPS  := lint test-shim fuzz vuln
BESIDE := test-go test-windows
LAST   := e2e

test: npm-shim/node_modules/.installed | build
	@rm -f $(SKIPS)* $(TIMES)
	@exec 3>&2; begun=$$SECONDS jobs=; \
	trap 'trap "" TERM; for job in $$jobs; do kill -- -$$job 2>/dev/null || true; done' EXIT; \
	trap 'exit 1' INT TERM; \
	timed() { TIMEFORMAT="%R %U %S $$1"; shift; { time "$$@" 2>&3; } 2>> $(TIMES); }; \
	makes() { $(MAKE) --no-print-directory $$1 SKIPS=$(SKIPS)-$$1; }; \
	logged() { makes $$1 > build/$$1.log 2>&1 < /dev/null || { cat build/$$1.log; kill $$$$; return 1; }; }; \
	set -m; logged downloads & downloads=$$! jobs=$$!; set +m; \
	for step in $(STEPS); do timed $$step makes $$step; done; \
	timed 'downloads, waited for' wait $$downloads; \
	echo '==> $(BESIDE), beside each other: some minutes'; \
	for step in $(BESIDE); do set -m; timed $$step logged $$step & jobs="$$jobs $$!"; set +m; done; \
	for job in $$jobs; do wait $$job; done; jobs=; \
	for step in $(BESIDE); do cat build/$$step.log; done; \
	for step in $(LAST); do timed $$step makes $$step; done; \
	echo "$$((SECONDS - begun)) 0 0 all of it" >> $(TIMES)
	$(call step,passed)
	@for step in $(STEPS) $(BESIDE) $(LAST); do cat $(SKIPS)-$$step 2>/dev/null || true; done > $(SKIPS)
	@if [ -s $(SKIPS) ]; then echo 'Skipped:'; sed 's/^/  /' $(SKIPS); else echo 'Nothing was skipped.'; fi
	@echo 'Minutes, and minutes of processor:'
	@awk '{ cpu += $$2 + $$3; if ($$4 == "all") $$2 = cpu; \
		printf "  %6.1f %6.1f  ", $$1 / 60, ($$2 + $$3) / 60; $$1 = $$2 = $$3 = ""; sub(/^ +/, ""); print }' $(TIMES)

# The versions of OpenCode, what npm brings for the tests in e2e, and Debian's programs.
downloads: $(OPENCODE)/.all $(PEERS:%=e2e/%/node_modules/.installed)
	@e2e/install-tools
	@e2e/install-wine
	@e2e/install-opencode-windows

# Without the race detector, so that a changed file costs seconds: go test remembers what
# has passed.
check: npm-shim/node_modules/.installed $(HELPER)
	$(call step,gofmt and go vet)
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l) && \
		{ [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted"; exit 1; }; }
	@go vet ./...
	$(call step,tsc --noEmit and node --test in npm-shim)
	@cd npm-shim && node_modules/.bin/tsc --noEmit
	@cd npm-shim && node --test --test-concurrency=$(CORES) --test-reporter=dot test/*.test.js
	$(call step,go test -short)
	@go list ./... | grep -v /e2e | xargs go test -short

# Finds the test that fails once in a while: each half of the tests keeps the machine busy for
# the other, and a loop on each core keeps it busy for the half that ends last.
# STRESS=TestName is for one that is suspected.
STRESS     := .
STRESS_E2E := 20
STRESS_GO  := 50

stress: $(HELPER) downloads build/providers/zitadel build/providers/fosite releases
	@echo '==> go test -count=$(STRESS_GO), and -count=$(STRESS_E2E) ./e2e beside it'
	@for core in $$(seq $(CORES)); do while :; do :; done & busy="$${busy:-} $$!"; done; \
	trap 'kill $$busy' EXIT; \
	go list ./... | grep -v /e2e | xargs go test -run '$(STRESS)' -count=$(STRESS_GO) -timeout 0 $(RACE) & rooms=$$!; \
	go test -run '$(STRESS)' -count=$(STRESS_E2E) -timeout 0 -parallel $(E2E) $(RACE) ./e2e/... && e2e=passed || e2e=failed; \
	wait $$rooms; [ $$e2e = passed ]

lint: npm-shim/node_modules/.installed
	$(call step,gofmt)
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l) && \
		{ [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted"; exit 1; }; }
	$(call step,go vet for linux$(comma) darwin and windows)
	@for os in linux darwin windows; do GOOS=$$os go vet ./... || exit 1; done
	$(call step,staticcheck)
	@go run $(STATICCHECK) ./...
	$(call step,biome$(comma) tsc and publint in npm-shim)
	@cd npm-shim && node_modules/.bin/biome ci --log-level=warn && node_modules/.bin/tsc --noEmit && node_modules/.bin/publint --strict > /dev/null
	@node npm-shim/packaging/count.js
	$(call step,actionlint)
	@go run $(ACTIONLINT)

# The tests of the command line run whole processes, each of which costs three times as much
# under the race detector. Under it are those in which the command line has goroutines of its
# own, with two of the signals (-short); those of the other rooms are watched in their own
# tests. The house has none. make lint has vetted everything.
COMMAND    := github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper
HOUSE      := github.com/opencode-oci-oidc/opencode-oci-oidc/internal/house
GOROUTINES := Scripts/(gateway|interrupt|models|session|stdio)|Signals|Paste|Stdio|HealthyComputer|Countdown
test-go: $(HELPER) | build
	$(call step,a browser$(comma) a terminal and a keyring)
	@e2e/install-tools
	$(call step,go test $(RACE))
	@[ -n '$(RACE)' ] || echo 'race detector: there is no C compiler' >> $(SKIPS)
	@go list ./... | grep -v -e /e2e -e '^$(COMMAND)$$' -e '^$(HOUSE)$$' | xargs go test -json -cover -vet=off -timeout 30m $(RACE) | go run ./internal/skips $(SKIPS)
	$(call step,go test)
	@{ [ -z '$(RACE)' ] || go test -vet=off -timeout 30m -run '^TestEveryBranch$$' ./oidc; } > build/branches.log 2>&1 & branches=$$!; \
	trap 'kill $$branches 2>/dev/null || true' EXIT; \
	go test -json -cover -vet=off -timeout 30m $(COMMAND) $(HOUSE) | go run ./internal/skips $(SKIPS); \
	[ -z '$(RACE)' ] || go test $(RACE) -short -vet=off -timeout 30m -run '$(GOROUTINES)' $(COMMAND); \
	wait $$branches || { cat build/branches.log; exit 1; }; cat build/branches.log

# The house is no program, and skips is a tool of this Makefile. A test under wine waits half
# of its time for wine's server, so one more room than there are cores is tested at once, the
# slow ones first. make lint has vetted everything, and nobody debugs these programs.
ROOMS_ON_WINDOWS := ./cmd/... ./rpc/... ./oidc/... ./store/... ./guard/... ./gateway ./internal/...
test-windows: | build
	@e2e/install-wine
	$(call step,go test for Windows$(comma) under wine: some minutes)
	@if [ -x build/wine/wine ]; then \
		CGO_ENABLED=0 GOOS=windows go test -json -timeout 30m -vet=off -ldflags='-s -w' -p $$(($(CORES) + 1)) \
			-exec '$(CURDIR)/e2e/test-under-wine' $$(for rooms in $(ROOMS_ON_WINDOWS); do go list $$rooms; done | grep -v -e /house$$ -e /skips$$ -e /domaintest$$) \
			| go run ./internal/skips $(SKIPS); \
	else echo 'Go tests for Windows: there is no wine (e2e/install-wine says why)' >> $(SKIPS); fi

test-shim: npm-shim/node_modules/.installed $(HELPER)
	$(call step,node --test in npm-shim)
	@cd npm-shim && node --test --test-concurrency=$(CORES) --experimental-test-coverage --test-reporter=dot --test-reporter-destination=stdout \
		--test-reporter=tap --test-reporter-destination=../build/shim.tap test/*.test.js || { cat ../build/shim.tap; exit 1; }
	@sed -n 's/^ *ok [0-9]* - \(.*\) # SKIP *\(.*\)/npm-shim \1: \2/p' build/shim.tap >> $(SKIPS)
	@awk -F ' *[|] *' '/^# (lib|hosts|index|server|tui)/ { sub(/^# /, ""); if ($$2 < 100) print "    " $$1 " " $$2 " %, not run: " $$5; else whole++ } \
		END { print "    all lines of " whole + 0 " other files" }' build/shim.tap

# Twice as many tests at once as there are cores: each waits for OpenCode half of the time.
E2E := $(shell echo $$((2 * $(CORES))))

e2e: $(HELPER) $(OPENCODE)/.all npm-shim/node_modules/.installed $(PEERS:%=e2e/%/node_modules/.installed) build/providers/zitadel build/providers/fosite releases | build
	$(call step,a browser$(comma) a terminal and a keyring)
	@e2e/install-tools
	@e2e/install-wine
	@e2e/install-opencode-windows
	$(call step,tsc --noEmit in e2e/host2)
	@npm-shim/node_modules/.bin/tsc --noEmit -p e2e/host2
	$(call step,go test ./e2e: some minutes)
	@go test -json -count=1 -vet=off -timeout 150m -parallel $(E2E) ./e2e/... | go run ./internal/skips $(SKIPS)

# What a fuzzer finds interesting stays in build/fuzz/; what it finds wrong is
# written into the package's testdata/fuzz/, from where every go test reads it.
# By default a number of inputs: a short time may end in the middle of one, which
# Go calls a failure.
FUZZTIME := 1000x

# The default number is too small to be led by coverage, so that the programs need no
# instrumented build of everything. Only rpc has goroutines for the race detector to watch;
# those of FuzzModel are watched in TestModel.
fuzz: | build
	$(call step,each fuzzer for $(FUZZTIME))
	@for room in $$(git grep -l --untracked '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		program=$(CURDIR)/build/$${room//\//-}.fuzz; \
		case $$room in rpc*) race='$(RACE)' ;; *) race= ;; esac; \
		go test -c -ldflags='-s -w' $(if $(filter 1000x,$(FUZZTIME)),$$race,-fuzz=.) -o $$program ./$$room; \
		for fuzzer in $$($$program -test.list '^Fuzz'); do \
			(cd $$room && $$program -test.run '^$$' -test.fuzz "^$$fuzzer$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzcachedir $(CURDIR)/build/fuzz/$$room) > build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }; \
		done; \
	done

mutate:
	@go run ./internal/conformance

# Where the databases cannot be reached, that is said at the end of make test.
vuln: npm-shim/node_modules/.installed | build
	$(call step,govulncheck)
	@if curl -sfo /dev/null --max-time 20 https://vuln.go.dev/index/db.json; then go run $(GOVULNCHECK) ./...; \
		else echo 'govulncheck: https://vuln.go.dev cannot be reached' | tee -a $(SKIPS); fi
	$(call step,npm audit signatures)
	@if curl -sfo /dev/null --max-time 20 "$$(npm config get registry)-/npm/v1/keys"; then cd npm-shim && $(NPM) audit signatures; \
		else echo 'npm audit signatures: the registry shows no keys' | tee -a $(SKIPS); fi

# Providers have modules of their own, so that the product's stays small.
build/providers/%: e2e/providers/%/main.go e2e/providers/%/go.sum
	$(call step,building the identity provider $*)
	@go build -C e2e/providers/$* -o $(CURDIR)/$@ .

# --- demo and measurements ---

demo: $(HELPER) $(OPENCODE)/.demo
	@go run ./demo

demo-tui: $(HELPER) $(OPENCODE)/.demo
	@go run ./demo --tui

# Those of README.md and docs/, of the real TUI and the real browser.
pictures: $(HELPER) $(OPENCODE)/.demo e2e/browser/node_modules/.installed
	@e2e/install-tools
	@go test ./e2e -run '^TestPictures$$' -count=1 -pictures '$(CURDIR)/demo/pictures'

# BENCH='-only wire,start -scale 0.2' for a part of it, in less time.
BENCH := -write
bench: $(HELPER) build/bench/.peers $(OPENCODE)/.demo
	@bench/install-peers
	@go run ./bench $(BENCH)

build/bench/.peers: $(wildcard bench/peers/*/*.go) go.mod Makefile
	$(call step,building what is measured beside the helper)
	@mkdir -p build/bench
	@$(GO_BUILD) -ldflags '$(LDFLAGS)' -o build/bench/ ./bench/peers/...
	@GOBIN=$(CURDIR)/build/bench go install $(KUBELOGIN) || echo 'kubelogin cannot be built here'
	@touch $@

# --- release ---

# Of a tag, with what is published in dist/ as well; for .github/workflows/release.yml.
release:
	$(GORELEASER) release --clean
	@$(MAKE) --no-print-directory release-npm

# SNAPSHOT=1.2.3 gives it that version instead of one made from the last tag.
release-snapshot:
	$(call step,goreleaser: archives$(comma) packages$(comma) checksums and SBOMs into dist/)
	@$(GORELEASER) release --snapshot --clean --skip=publish
	@$(MAKE) --no-print-directory release-npm

# What npm publishes, of the programs that goreleaser has built.
release-npm:
	$(call step,npm packages into dist/npm/)
	@node npm-shim/packaging/pack.js dist
	@cd dist && sha256sum oci-oidc-helper_*/oci-oidc-helper* > programs.txt

# Two releases for this platform alone, which e2e publishes on loopback: packed like
# others, but built without goreleaser, of whose notes the packing reads these two.
releases: npm-shim/node_modules/.installed | build
	$(call step,two releases for the registry test)
	@system=$$(go env GOOS) machine=$$(go env GOARCH); \
	for version in 1.2.3 1.2.4; do \
		dist=build/release-$$version; rm -rf $$dist; mkdir -p $$dist; \
		$(GO_BUILD) -ldflags "$(LDFLAGS) -X main.version=$$version" -o $$dist/$(notdir $(HELPER)) ./cmd/oci-oidc-helper; \
		echo "{\"version\": \"$$version\"}" > $$dist/metadata.json; \
		echo "[{\"type\": \"Binary\", \"path\": \"$$dist/$(notdir $(HELPER))\", \"goos\": \"$$system\", \"goarch\": \"$$machine\"}]" > $$dist/artifacts.json; \
		node npm-shim/packaging/pack.js $$dist > build/releases.log 2>&1 || { cat build/releases.log; exit 1; }; \
	done

# Not compared is goreleaser's own notice of when it ran, and in which order.
release-check: | build
	@$(GORELEASER) check --quiet
	@for run in 1 2; do \
		$(MAKE) --no-print-directory release-snapshot; \
		(cd dist && find . -type f ! -name metadata.json ! -name artifacts.json -print0 | sort -z | xargs -0 sha256sum) > build/release-$$run.sha256; \
	done
	@diff build/release-1.sha256 build/release-2.sha256
	$(call step,the same bytes twice)

build/manual: $(HELPER)
	@rm -rf $@ && mkdir $@
	@$(HELPER) manual > $@/oci-oidc-helper.1
	@$(HELPER) completion bash > $@/oci-oidc-helper.bash
	@$(HELPER) completion fish > $@/oci-oidc-helper.fish
	@$(HELPER) completion zsh > $@/_oci-oidc-helper
	@$(HELPER) completion powershell > $@/oci-oidc-helper.ps1

build/cyclonedx-gomod: Makefile | build
	$(call step,building $@)
	@GOBIN=$(CURDIR)/build go install $(CYCLONEDX)
	@touch $@

# --- what npm brings ---

build:
	@mkdir -p $@

# A node_modules that is a link belongs to another checkout: npm ci would empty that.
%/node_modules/.installed: %/package-lock.json
	$(call step,npm ci in $*)
	@[ -L $*/node_modules ] || { cd $* && $(NPM) ci --ignore-scripts; }
	@touch $@

# Not npm ci: opencode-ai has one optional package a platform, and a lock file
# written on one platform does not hold the others'. All versions are exact.
$(OPENCODE)/.demo $(OPENCODE)/.all: e2e/opencode/package.json
	$(call step,installing OpenCode from npm: 350 MB for the demo$(comma) 1.7 GB for the tests)
	@[ -L $(OPENCODE) ] || { cd e2e/opencode && $(NPM) install --no-package-lock --ignore-scripts $(if $(filter %.demo,$@),--omit=dev); }
	@rm -f $(OPENCODE)/.all && touch $(OPENCODE)/.demo $@

clean:
	rm -rf build dist npm-shim/node_modules e2e/*/node_modules
