#!/usr/bin/env bash
# glibc.sh ENVIRONMENT FOLDER PATCHELF
# Lets the environment load packages built for glibc 2.39 on a host whose glibc is older.
# ml-metadata and tensorflow-data-validation publish Linux wheels for glibc 2.39 and later only. On such a host
# this takes the C and C++ run-time libraries of the distribution's newer release, unpacks them into the folder, and makes the
# environment's own copy of python use them. Nothing else on the host changes; on newer hosts nothing happens.
set -euo pipefail
venv="$1"
needed=2.39
mkdir -p "$2"
folder="$(cd "$2" && pwd)"
patchelf="$3"
libraries="$folder/root"
image="use hilir's container image instead"

fail() { echo "setup: $1; $image." >&2; exit 3; }

case "$(uname -s)/$(uname -m)" in
  Linux/x86_64) ;;
  Darwin/arm64) exit 0 ;;
  *) fail "TFX's native packages exist for Linux x86-64 and macOS arm64 only, and this is $(uname -s) $(uname -m)" ;;
esac

have="$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)" || true
[ -n "$have" ] || fail "this Linux has no GNU C library (musl?), which TFX's native packages need"
if [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -n 1)" = "$needed" ]; then exit 0; fi

command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
  fail "this host's glibc is $have, TFX's native packages need $needed, and there is no apt to fetch a newer one with"

id="$(. /etc/os-release && echo "$ID")"
case "$id" in
  debian) suite=trixie ;;
  ubuntu) suite=noble ;;
  *) fail "this host's glibc is $have, TFX's native packages need $needed, and only Debian and Ubuntu are known to have a newer one to unpack" ;;
esac

unpack() {
  local work apt mirror keyring
  work="$folder/work"
  rm -rf "$work" "$libraries"
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial} "$libraries"
  # The mirror is the one this machine already uses.
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E "/$id/?\$" | grep -v security | head -n 1)"
  [ -n "$mirror" ] || fail "this host's glibc is $have, TFX's native packages need $needed, and apt names no $id mirror to fetch it from"
  keyring="/usr/share/keyrings/$id-archive-keyring.gpg"
  [ -f "$keyring" ] || fail "apt's keyring $keyring is missing, so that a newer glibc cannot be verified"
  echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main" > "$work/sources.list"
  touch "$work/status"
  apt=(-o "Dir::State=$work/state" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache"
       -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=-" -o "APT::Architecture=amd64"
       -o "APT::Sandbox::User=$(id -un)" -o "Acquire::Retries=3" -o "Acquire::Languages=none")
  if ! apt-get "${apt[@]}" --quiet=2 update ||
     ! (cd "$work" && apt-get "${apt[@]}" --quiet=2 download libc6 libstdc++6 libgcc-s1 >/dev/null); then
    fail "this host's glibc is $have, TFX's native packages need $needed, and fetching it from the $id mirror failed"
  fi
  for package in "$work"/*.deb; do dpkg -x "$package" "$libraries"; done
  rm -rf "$work"
  touch "$folder/complete"
}

[ -f "$folder/complete" ] || { echo "setup: glibc $have is older than $needed; unpacking a newer one into $folder"; unpack; }

lib="$(find "$libraries" -name libc.so.6 -printf '%h\n' | head -n 1)"
cxx="$libraries/usr/lib/x86_64-linux-gnu"
loader="$lib/ld-linux-x86-64.so.2"
home="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR") or "")')"
for program in "$venv"/bin/python "$venv"/bin/python3 "$venv"/bin/python3.[0-9]*; do
  [ -f "$program" ] || continue
  target="$(readlink -f "$program")"
  # A link to the host's python becomes a copy; one to another name in the environment stays.
  if [ -L "$program" ] && [ "$(dirname "$target")" = "$(cd "$venv/bin" && pwd -P)" ]; then continue; fi
  edited="$program.edited"
  cp "$target" "$edited"
  "$patchelf" --set-interpreter "$loader" "$edited"
  "$patchelf" --force-rpath --set-rpath "$lib:$cxx${home:+:$home}" "$edited"
  for library in libstdc++.so.6 libgcc_s.so.1; do
    # Without these TensorFlow's own libraries pull in the host's older libstdc++ first.
    "$patchelf" --print-needed "$edited" | grep -qx "$library" || "$patchelf" --add-needed "$library" "$edited"
  done
  mv "$edited" "$program"
done
"$venv/bin/python" -c 'import platform, sys; sys.exit(platform.libc_ver()[0] != "glibc")' ||
  fail "the environment's python does not start with the newer glibc"
