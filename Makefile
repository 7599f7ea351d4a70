# no_otel leaves out the tracing of the OpenID Connect library, which nothing
# here uses.
TAGS := no_otel
GO   := go

.PHONY: build demo campus school test bench lint clean

build: bin/loge

.PHONY: bin/loge
bin/loge:
	$(GO) build -tags $(TAGS) -trimpath -o bin/loge ./cmd/loge

# Everything in one process, nothing to install.
demo: bin/loge
	bin/loge demo

# A real server in front of a scratch OpenLDAP and Redis.
campus school:
	examples/$@/up.sh

# CI=true makes a missing server program a failure instead of a skip.
test:
	.ci/install
	$(GO) vet -tags $(TAGS) ./...
	$(GO) test -race -timeout 30m -tags $(TAGS) ./...
# What is too slow under the race detector: that each mutation of a server is
# noticed by its cases, and by no others; thousands of races between processes,
# and hundreds of processes killed.
	$(GO) test -tags $(TAGS) ./pkg/conformance/...
	$(GO) test -tags $(TAGS) -run 'TestRaces|TestRCAS02|TestOIDC/R-OAUTH-17|TestKilled' ./pkg/server/systemtest

bench:
	.ci/install
	$(GO) test -tags $(TAGS) -run '^$$' -bench . -benchmem ./...

lint:
	golangci-lint run ./...

clean:
	rm -rf bin
