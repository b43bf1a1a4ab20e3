#!/usr/bin/env bash
# Starts a Docker engine where none answers, as root, and prints the DOCKER_HOST that reaches it: docker_engine.sh [FOLDER].
# It has the networks `host` and `none` only. All that it writes lies in FOLDER; end it by the process id in docker.pid.
set -euo pipefail
folder=${1:-/tmp/fabgan-docker}
export DOCKER_HOST=unix://$folder/docker.sock

answers() { docker version > /dev/null 2>&1; }

if ! answers; then
    command -v dockerd > /dev/null || { echo "docker_engine: error: no dockerd here; install docker.io" >&2; exit 1; }
    mkdir -p "$folder"
    setsid dockerd --bridge=none --iptables=false --host "$DOCKER_HOST" --data-root "$folder/data" \
        --exec-root "$folder/run" --pidfile "$folder/docker.pid" > "$folder/dockerd.log" 2>&1 < /dev/null &
    for _ in {1..60}; do
        answers && break
        sleep 1
    done
    answers || { echo "docker_engine: error: no answer in 60 s; see $folder/dockerd.log" >&2; exit 1; }
fi
echo "$DOCKER_HOST"
