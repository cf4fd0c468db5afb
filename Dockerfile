# One image for every step on Vertex AI, for the workers of Dataflow and for `hilir` itself: make image
# For steps with GPUs there is the same with CUDA's libraries: make image DEVICE=gpu
#
# Debian 13's own Python is 3.13, for which the TensorFlow.js converter has no packages (3.11 and 3.12 only). The base is
# therefore Debian 13 with the Python that the lock files are resolved for. glibc has to be 2.39 or later: not bookworm.
ARG PYTHON_IMAGE=python:3.11-slim-trixie@sha256:da047cb8f9d1d98e5c070f5300ba9f7274e33b8fc0e5be5ed88740aed1b95ba9
# Beam's boot program has to be of the Beam version in the lock files; only that one file is taken from it.
ARG BEAM_IMAGE=apache/beam_python3.11_sdk:2.77.0
# cpu or gpu: which build of TensorFlow; all other versions are the same.
ARG DEVICE=cpu

FROM ${BEAM_IMAGE} AS beam

FROM ${PYTHON_IMAGE} AS tools
# Bytecode that is not compared with its source stays valid when a builder changes modification times.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_LINK_MODE=copy PYC_INVALIDATION_MODE=UNCHECKED_HASH
# binutils for `strip`; it stays in this stage.
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends binutils >/dev/null
WORKDIR /opt/hilir
COPY requirements/tools.txt requirements/
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/tools.txt
COPY deploy/image/slim.sh /opt/

FROM tools AS environment
ARG DEVICE
COPY requirements/image-${DEVICE}.txt requirements/
RUN python -m venv --without-pip .venv \
 && /opt/tools/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements/image-${DEVICE}.txt \
 && /opt/slim.sh .venv

FROM tools AS tfjs-environment
# What TensorFlow brings along for training, and no conversion imports, goes; check.py converts.
COPY requirements/tfjs.txt requirements/
RUN python -m venv --without-pip tools/tfjs \
 && /opt/tools/bin/uv pip sync --quiet --python tools/tfjs/bin/python --require-hashes --compile-bytecode requirements/tfjs.txt \
 && /opt/slim.sh tools/tfjs tensorboard tensorboard-data-server \
 && touch tools/tfjs/.complete

FROM tools AS node-modules
# TensorFlow.js itself, with which an export is run to prove it.
RUN apt-get install -qq --yes --no-install-recommends nodejs npm >/dev/null
COPY deploy/browser/package.json deploy/browser/package-lock.json tools/browser/
RUN cd tools/browser && npm ci --omit=dev --ignore-scripts --silent && find node_modules -name '*.map' -delete && touch .complete

FROM environment AS code
COPY setup.py pyproject.toml LICENSE ./
# Links to the folders below, and to the files that the wheel carries as data.
COPY src src
COPY requirements/tools.txt requirements/tfjs.txt requirements/
COPY scripts/glibc.sh scripts/
COPY deploy/browser deploy/browser
COPY analysis analysis
COPY configs configs
COPY components components
COPY models models
COPY pipeline pipeline
COPY serving serving
# The wheel and the examples, which are the project of this folder, go into a folder of their own, so that a change of
# code does not renew the layer with the packages.
RUN /opt/tools/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --no-index . \
 && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash .venv/lib/python3*/site-packages/hilir models \
 && mkdir -p /overlay/out /overlay/runs /overlay/data \
 && cp -a configs models /overlay/ && rm /overlay/configs/base.yaml \
 && cp -a --parents .venv/bin/hilir .venv/lib/python3*/site-packages/hilir .venv/lib/python3*/site-packages/hilir-*.dist-info /overlay/

# Without the TensorFlow.js converter: enough for every step of a pipeline whose export.tfjs.variants is empty.
FROM ${PYTHON_IMAGE} AS steps
ARG DEVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="hilir" \
      org.opencontainers.image.description="From data to a served, watched and retrained TensorFlow model." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="python:3.11-slim-trixie" \
      hilir.device="${DEVICE}" \
      hilir.sbom="/opt/hilir/sbom.cdx.json"
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin hilir
# Beam would otherwise make an empty environment of its own in each worker. A step may start in another folder than the
# project's, and the tools of TensorFlow.js are not below the user's cache.
ENV PATH=/opt/hilir/.venv/bin:$PATH \
    PYTHONPATH=/opt/hilir \
    HILIR_TOOLS=/opt/hilir/tools \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 \
    TF_USE_LEGACY_KERAS=1
WORKDIR /opt/hilir
COPY --from=beam /opt/apache/beam/boot /opt/apache/beam/boot
COPY --from=environment /opt/hilir/.venv .venv
COPY --from=code /overlay/ ./
COPY --chmod=755 deploy/image/entrypoint.sh /usr/local/bin/hilir-entrypoint
COPY deploy/image/check.py deploy/image/sbom.py image/
RUN chown hilir:hilir out runs data && python image/sbom.py .venv > sbom.cdx.json
USER hilir
# The build fails unless the image is healthy.
RUN hilir doctor && python image/check.py
ENTRYPOINT ["hilir-entrypoint"]
CMD ["hilir", "--help"]

FROM steps AS image
USER root
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends nodejs >/dev/null && rm -rf /var/lib/apt/lists/*
COPY --from=node-modules /opt/hilir/tools/browser tools/browser
COPY --from=tfjs-environment /opt/hilir/tools/tfjs tools/tfjs
RUN python image/sbom.py .venv tools/tfjs > sbom.cdx.json
USER hilir
RUN python image/check.py
