#!/usr/bin/env bash
# Builds the image with Docker, Podman or Buildah, whichever is there and works; used by `make image`.
# DEVICE is cpu (the default) or gpu; HILIR_IMAGE names the image (default hilir:VERSION, with -gpu behind it for GPUs),
# HILIR_REGISTRY a mirror of Docker Hub for the base images.
# Options are passed on: scripts/image.sh --no-cache
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_engine() {
  local engine
  for engine in ${ENGINE:-docker podman buildah}; do
    # A client may be there without its daemon.
    if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then echo "$engine"; return 0; fi
  done
  echo "image: none of ${ENGINE:-docker, podman, buildah} is here and works. Install one (Debian, Ubuntu: apt-get install buildah) or start Docker's daemon." >&2
  return 3
}

engine="$(find_engine)"
case "$engine" in buildah) build=(buildah build --layers) ;; *) build=("$engine" build) ;; esac

version="$(sed -n 's/^    version="\(.*\)",$/\1/p' setup.py)"
revision="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
if [ "$revision" != unknown ] && [ -n "$(git status --porcelain 2>/dev/null)" ]; then revision="$revision+"; fi
device="${DEVICE:-cpu}"
case "$device" in
  cpu) image="${HILIR_IMAGE:-hilir:$version}" ;;
  gpu) image="${HILIR_IMAGE:-hilir:$version-gpu}" ;;
  *) echo "image: DEVICE is '$device'; it must be cpu or gpu" >&2; exit 3 ;;
esac

# Docker knows where short names are; Podman and Buildah want to be told.
registry="${HILIR_REGISTRY:-docker.io}"
base() { sed -n "s/^ARG $1=//p" Dockerfile; }

echo "image: building $image with $engine"
"${build[@]}" \
  --build-arg "PYTHON_IMAGE=$registry/library/$(base PYTHON_IMAGE)" \
  --build-arg "BEAM_IMAGE=$registry/$(base BEAM_IMAGE)" \
  --build-arg "DEVICE=$device" \
  --build-arg "VERSION=$version" \
  --build-arg "REVISION=$revision" \
  --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  --file Dockerfile --tag "$image" "$@" .
echo "image: $image is built. Its bill of materials: $([ "$engine" = buildah ] && echo podman || echo "$engine") run --rm $image cat sbom.cdx.json"
