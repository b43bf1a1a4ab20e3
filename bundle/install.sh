#!/usr/bin/env bash
# Installs fabgan from this bundle. Nothing is fetched; every file is checked against SHA256SUMS first.
#
#   ./install.sh                                          only check the bundle
#   ./install.sh --registry registry.fab.example/fabgan   load the image, name it for the fab's registry, and write the
#                [--push] [--output DIR]                  pipelines and manifests with that name to DIR (default: the
#                                                         folder ../fabgan-VERSION-site); --push uploads the image
#   ./install.sh --venv DIR                               install the command line into a new Python environment
#
# The checksums detect damage, but not forgery. Compare the digest of SHA256SUMS with the one that you received by
# another route.
set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd -P)

fail() { echo "install: error: $*" >&2; exit 1; }

check() (
    cd "$bundle"
    sha256sum --check --quiet --strict SHA256SUMS || fail "the files named above are missing or damaged; copy the bundle again"
    listed=$(cut -c 67- SHA256SUMS | LC_ALL=C sort)
    found=$(find . ! -type d ! -path ./SHA256SUMS -printf '%P\n' | LC_ALL=C sort)
    added=$(LC_ALL=C comm -13 <(echo "$listed") <(echo "$found"))
    [ -z "$added" ] || fail "not in SHA256SUMS: $added; copy the bundle again"
    echo "every file is as packed; digest of SHA256SUMS: $(sha256sum SHA256SUMS | cut -c 1-64)"
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
    [ ! -e "$output" ] || fail "$output: exists already; move it away, or choose another --output"
    mkdir -p "$output"
    cp -R "$bundle/pipelines" "$bundle/deploy" "$output"
    # Rewrite only whole names: at the start of a line, or after a blank or a quote.
    find "$output/pipelines" -name '*.yaml' -exec \
        sed -i -E "s#(^|[[:space:]\"'])${image//./\\.}(\$|[[:space:]\"'])#\1$target\2#g" {} +
    # The manifests name fabgan's image without a registry; kustomize adds the registry from the overlay.
    find "$output/deploy" -name '*.yaml' -exec \
        sed -i -e "s#registry\.fab\.example/fabgan#$registry#g" -e "s#registry\.fab\.example#${registry%/*}#g" {} +
    echo "pipelines and manifests for $target are in $output"
}

install_python() {
    command -v python3.11 > /dev/null || fail "python3.11: command not found; install it, because the wheels need it"
    [ ! -e "$venv" ] || fail "$venv: exists already; choose a new folder"
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
        *) fail "$1: unknown option; the first lines of $0 list the options" ;;
    esac
done
[ "$push" = no ] || [ -n "$registry" ] || fail "--push: needs --registry"
image=$(cat "$bundle/image.txt")
target=$registry:${image##*:}
output=${output:-$bundle-site}
for folder in "$output" "$venv"; do
    case $(realpath --canonicalize-missing "${folder:-/}")/ in
        "$bundle"/*) fail "$folder: is inside the bundle, which must stay as packed; choose a folder outside" ;;
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
