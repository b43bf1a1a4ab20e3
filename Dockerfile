# One image runs every step, the pipelines of Kubeflow and the MLflow server. It is built without a network: its
# dependencies lie in build/wheelhouse/FLAVOUR (`make wheelhouse`), and BASE_IMAGE is any image with Python 3.11 and venv,
# by digest, from a registry within reach.
ARG BASE_IMAGE=fabgan-base:bookworm

FROM ${BASE_IMAGE} AS dependencies
ARG FLAVOUR=cpu
COPY build/wheelhouse/${FLAVOUR} /wheelhouse
# pip stays outside of the environment: the image can install nothing. Left out too is what no program reads while it runs:
# tests, C++ headers and torch's own test programs. Bytecode is kept, since it halves the start of every container, and does
# not depend on times, so that equal wheels make an equal layer.
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
RUN /pip/bin/pip --python /opt/fabgan/bin/python --disable-pip-version-check install --quiet --no-compile \
        --no-index --no-deps --root /application /wheel/fabgan-*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /application -p / /application \
    && find /application -exec touch --no-dereference --date=@1600000000 {} +

FROM ${BASE_IMAGE}
ARG USER_ID=10001
# Without an entry in /etc/passwd, MLflow finds no user to name in its runs.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && echo "fabgan:x:${USER_ID}:${USER_ID}::/tmp:/usr/sbin/nologin" >> /etc/passwd
COPY --from=dependencies /opt/fabgan /opt/fabgan
COPY --from=application /application /
COPY data/rendered.yaml /srv/fabgan/data/
WORKDIR /srv/fabgan
USER ${USER_ID}:${USER_ID}
# The root file system is read-only where it matters: whatever wants a home or a cache gets /tmp.
ENV PATH=/opt/fabgan/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache XDG_CONFIG_HOME=/tmp/config XDG_DATA_HOME=/tmp/data \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GIT_PYTHON_REFRESH=quiet \
    DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true
ARG VERSION
ARG GIT_COMMIT
ARG INPUTS
ENV FABGAN_GIT_COMMIT=${GIT_COMMIT}
LABEL org.opencontainers.image.title="fabgan" \
      org.opencontainers.image.description="Train, judge and register generators of semiconductor package images." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      fabgan.inputs="${INPUTS}"
CMD ["fabgan", "--help"]
