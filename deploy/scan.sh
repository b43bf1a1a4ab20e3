#!/usr/bin/env bash
# Renders every overlay, validates overlays and jobs against the schemas of the Kubernetes API, and scans the overlays. Opens
# no connection.
# usage: deploy/scan.sh FOLDER_OF_THE_SCANNERS
set -euo pipefail
bin=$(cd "$1" && pwd)
cd "$(dirname "$0")"
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
for overlay in overlays/*/; do
    kubectl kustomize "$overlay" > "$rendered/$(basename "$overlay").yaml"
done
"$bin/kubernetes-validate" --strict --quiet --kubernetes-version 1.32 "$rendered"/*.yaml jobs/*.yaml
"$bin/checkov" --config-file checkov.yaml --directory "$rendered"
