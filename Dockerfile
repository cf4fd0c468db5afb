# One image for every step on Vertex AI, for the workers of Dataflow and for `hilir` itself: make image
# For steps with GPUs there is the same with CUDA's libraries: make image DEVICE=gpu
#
# Debian 13's own Python is 3.13, for which the TensorFlow.js converter has no packages (3.11 and 3.12 only). The base is
# therefore Debian 13 with the Python that the lock files are resolved for. glibc has to be 2.39 or later: not bookworm.
ARG PYTHON_IMAGE=python:3.11-slim-trixie
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
RUN python -m venv --without-pip .venv-tfjs \
 && /opt/tools/bin/uv pip sync --quiet --python .venv-tfjs/bin/python --require-hashes --compile-bytecode requirements/tfjs.txt \
 && /opt/slim.sh .venv-tfjs tensorboard tensorboard-data-server

FROM tools AS node-modules
# TensorFlow.js itself, with which an export is run to prove it.
RUN apt-get install -qq --yes --no-install-recommends nodejs npm >/dev/null
COPY deploy/browser/package.json deploy/browser/package-lock.json deploy/browser/
RUN cd deploy/browser && npm ci --omit=dev --ignore-scripts --silent && find node_modules -name '*.map' -delete

FROM environment AS code
COPY setup.py pyproject.toml ./
COPY configs configs
COPY components components
COPY models models
COPY pipeline pipeline
COPY serving serving
# What the project adds to the environment goes into a folder of its own, so that a change of code does not renew the
# layer with the packages.
RUN touch /opt/before \
 && /opt/tools/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --no-index \
      --config-settings editable_mode=compat --editable . \
 && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash configs components models pipeline serving \
 && mkdir -p /overlay/out /overlay/runs /overlay/data \
 && cp -a setup.py pyproject.toml configs components models pipeline serving /overlay/ \
 && find .venv -newer /opt/before ! -type d -exec cp -a --parents -t /overlay/ '{}' +

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
# Beam would otherwise make an empty environment of its own in each worker.
ENV PATH=/opt/hilir/.venv/bin:$PATH \
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
COPY --from=node-modules /opt/hilir/deploy/browser/node_modules deploy/browser/node_modules
COPY --from=tfjs-environment /opt/hilir/.venv-tfjs .venv-tfjs
RUN python image/sbom.py .venv .venv-tfjs > sbom.cdx.json
USER hilir
RUN python image/check.py
