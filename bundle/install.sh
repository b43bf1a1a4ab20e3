#!/usr/bin/env bash
# Installs fabgan from this bundle. Nothing is fetched; every file is checked against SHA256SUMS first.
#
#   ./install.sh                                          check the bundle, and nothing else
#   ./install.sh --registry registry.fab.local/fabgan     load the image, name it for the fab's registry, and write the
#                [--push] [--output DIR]                  pipelines and manifests with that name to DIR (else to the folder
#                                                         ../fabgan-VERSION-site); --push uploads the image
#   ./install.sh --venv DIR                               install the command line into a new Python environment
#
# The sums show damage, not forgery: compare the digest of SHA256SUMS with the one that came another way.
set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd -P)

fail() { echo "install: error: $*" >&2; exit 1; }

check() (
    cd "$bundle"
    sha256sum --check --quiet --strict SHA256SUMS || fail "the files named above are not what was packed: copy the bundle anew"
    listed=$(cut -c 67- SHA256SUMS | LC_ALL=C sort)
    found=$(find . ! -type d ! -path ./SHA256SUMS -printf '%P\n' | LC_ALL=C sort)
    added=$(LC_ALL=C comm -13 <(echo "$listed") <(echo "$found"))
    [ -z "$added" ] || fail "not in SHA256SUMS: $added"
    echo "every file is as packed; SHA256SUMS itself: $(sha256sum SHA256SUMS | cut -c 1-64)"
)

load_image() {
    docker load --quiet --input "$bundle/image.tar.gz"
    docker tag "$image" "$target"
    if [ "$push" = yes ]; then
        docker push --quiet "$target"
    fi
    echo "the image is $target"
}

write_manifests() {
    [ ! -e "$output" ] || fail "$output: is there already; move it away, or give another --output"
    mkdir -p "$output"
    cp -R "$bundle/pipelines" "$bundle/deploy" "$output"
    # A name is rewritten where it stands whole: after a blank or a quote, or at the start of a line.
    find "$output/pipelines" -name '*.yaml' -exec \
        sed -i -E "s#(^|[[:space:]\"'])${image//./\\.}(\$|[[:space:]\"'])#\1$target\2#g" {} +
    # The manifests name fabgan's image without a registry, and kustomize completes it from the overlays.
    find "$output/deploy" -name '*.yaml' -exec \
        sed -i -e "s#registry\.fab\.example/fabgan#$registry#g" -e "s#registry\.fab\.example#${registry%/*}#g" {} +
    echo "pipelines and manifests for $target are in $output"
}

install_python() {
    command -v python3.11 > /dev/null || fail "python3.11: not found; the wheels are made for it"
    [ ! -e "$venv" ] || fail "$venv: is there already; give the name of a new folder"
    python3.11 -m venv "$venv"
    "$venv/bin/pip" --isolated --disable-pip-version-check install --quiet --no-index --find-links "$bundle/wheelhouse" \
        --require-hashes --requirement "$bundle/wheelhouse/requirements.txt"
    echo "installed: $venv/bin/fabgan"
}

registry='' push=no output='' venv=''
while [ $# -gt 0 ]; do
    case $1 in
        --push) push=yes; shift ;;
        --registry | --output | --venv) [ $# -gt 1 ] || fail "$1: needs a value"; declare "${1#--}=$2"; shift 2 ;;
        *) fail "$1: unknown; the head of $0 says what there is" ;;
    esac
done
[ "$push" = no ] || [ -n "$registry" ] || fail "--push: needs --registry"
image=$(cat "$bundle/image.txt")
target=$registry:${image##*:}
output=${output:-$bundle-site}
for folder in "$output" "$venv"; do
    case $(realpath --canonicalize-missing "${folder:-/}")/ in
        "$bundle"/*) fail "$folder: lies in the bundle, which stays as it was packed; give a folder outside of it" ;;
    esac
done

check
if [ -n "$registry" ]; then
    load_image
    write_manifests
fi
if [ -n "$venv" ]; then
    install_python
fi
