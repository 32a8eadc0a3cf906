#!/usr/bin/env bash
# Writes the lock files anew from the *.in files. Every file agrees with dev.txt on each version.
set -euo pipefail
cd "$(dirname "$0")"
lock() {
    uv pip compile "$1.in" --output-file "$1.txt" --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
        --custom-compile-command "make lock" "${@:2}"
}
lock dev "$@"
for name in install operate ingest dispatch mlflow audit bench; do
    lock "$name" --constraints dev.txt
done
