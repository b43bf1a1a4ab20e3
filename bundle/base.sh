#!/usr/bin/env bash
# base.sh NAME: makes a base image from Debian packages, for when no registry offers one. Does nothing if the engine
# already has an image of that name.
set -euo pipefail
name=$1
if docker image inspect "$name" > /dev/null 2>&1; then
    exit
fi
archive=$(mktemp --suffix .tar)
trap 'rm -f "$archive"' EXIT
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$archive"
docker import "$archive" "$name"
