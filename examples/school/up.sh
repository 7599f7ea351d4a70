#!/usr/bin/env bash
# Runs this example on an OpenLDAP and a Redis of its own; Ctrl-C ends all.
# Options are those of examples/scratch: -listen 127.0.0.1:0
set -euo pipefail
cd "$(dirname "$0")/../.."
go build -tags no_otel -o bin/ ./cmd/loge ./examples/scratch
exec bin/scratch school "$@"
