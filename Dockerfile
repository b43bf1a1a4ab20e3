# One image runs every step, the Kubeflow pipelines and the MLflow server. It is built without a network: its
# dependencies are in build/wheelhouse/FLAVOUR (`make wheelhouse`). BASE_IMAGE is any image with Python 3.11 and venv from
# a registry within reach, named by digest.
ARG BASE_IMAGE=fabgan-base:bookworm

FROM ${BASE_IMAGE} AS dependencies
ARG FLAVOUR=cpu
COPY build/wheelhouse/${FLAVOUR} /wheelhouse
# pip stays outside the environment, so the image can install nothing. Files that no program reads at run time are removed:
# tests, C++ headers and torch's test programs. Bytecode is kept, because it halves the start time of every container. It
# does not depend on file times, so equal wheels give an equal layer.
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/fabgan \
    && /pip/bin/pip --python /opt/fabgan/bin/python --disable-pip-version-check install --quiet --no-compile \
        --no-index --find-links /wheelhouse --require-hashes --requirement /wheelhouse/requirements.txt \
    && cd /opt/fabgan/lib/python3*/site-packages \
    && rm -rf torch/test torch/include torch/bin/*[Tt]est* torch/bin/protoc* \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -x py312_intrinsics "$PWD" \
    && find /opt/fabgan -exec touch --no-dereference --date=@1600000000 {} +

FROM dependencies AS application
COPY build/wheel /wheel
# The weights of the feature extractor are converted here, because a container with a read-only root cannot keep them.
RUN /pip/bin/pip --python /opt/fabgan/bin/python --disable-pip-version-check install --quiet --no-compile \
        --no-index --no-deps --root /application /wheel/fabgan-*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /application -p / /application \
    && PYTHONPATH=$(echo /application/opt/fabgan/lib/python3*/site-packages) FABGAN_CACHE=/application/opt/fabgan/cache \
        /opt/fabgan/bin/python -c 'from fabgan.components.measures import extractors; extractors.efficientnet_lite1()' \
    && chmod a+r /application/opt/fabgan/cache/*.safetensors \
    && find /application -exec touch --no-dereference --date=@1600000000 {} +

FROM ${BASE_IMAGE}
ARG USER_ID=10001
# MLflow names the user in its runs, and finds none without an entry in /etc/passwd.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && echo "fabgan:x:${USER_ID}:${USER_ID}::/tmp:/usr/sbin/nologin" >> /etc/passwd
COPY --from=dependencies /opt/fabgan /opt/fabgan
COPY --from=application /application /
COPY data/annotated.yaml data/rendered.yaml /srv/fabgan/data/
WORKDIR /srv/fabgan
USER ${USER_ID}:${USER_ID}
# Clusters mount the root file system read-only, so /tmp serves as home and as cache.
ENV PATH=/opt/fabgan/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache XDG_CONFIG_HOME=/tmp/config XDG_DATA_HOME=/tmp/data FABGAN_CACHE=/opt/fabgan/cache \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GIT_PYTHON_REFRESH=quiet \
    DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true
ARG VERSION
ARG GIT_COMMIT
ARG INPUTS
ENV FABGAN_GIT_COMMIT=${GIT_COMMIT}
LABEL org.opencontainers.image.title="fabgan" \
      org.opencontainers.image.description="Train, evaluate and register generators of semiconductor package images." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      fabgan.inputs="${INPUTS}"
CMD ["fabgan", "--help"]
