#!/usr/bin/env bash
# image.sh NAME BASE_IMAGE FLAVOUR: builds the image without a network. Does nothing if the engine already has an image of
# that name that was built from equal inputs.
set -euo pipefail
name=$1 base_image=$2 flavour=$3
commit=$("$PYTHON" -c 'from fabgan.components.core.provenance import git_commit; print(git_commit())')
base=$(docker image inspect --format '{{.Id}}' "$base_image")
files=(Dockerfile .dockerignore data/annotated.yaml data/rendered.yaml "build/wheelhouse/$flavour/requirements.txt" build/wheel/*.whl)
inputs=$({ sha256sum "${files[@]}" && echo "$base $commit"; } | sha256sum | cut -c 1-64)
if [ "$(docker image inspect --format '{{index .Config.Labels "fabgan.inputs"}}' "$name" 2> /dev/null)" = "$inputs" ]; then
    echo "$name is up to date"
    exit
fi
export DOCKER_BUILDKIT=0  # BuildKit would pull a frontend image, and an engine without buildx lacks BuildKit.
docker build --network none --tag "$name" --build-arg BASE_IMAGE="$base_image" --build-arg FLAVOUR="$flavour" \
    --build-arg VERSION="${name##*:}" --build-arg GIT_COMMIT="$commit" --build-arg INPUTS="$inputs" .
