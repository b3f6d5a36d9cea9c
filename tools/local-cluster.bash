# The local cluster of tools/up, tools/down and tools/status: where it lives, and how what it needs is built. Sourced.
#
#   KEELSON_RUN_DIR       where everything of it lives        (.keelson in the project's root)
#   KEELSON_CLIENT_PORTS  the store's ports for its clients   (2379 22379 32379)
#   KEELSON_PEER_PORTS    the store's ports for its members   (2380 22380 32380)
#   KEELSON_PORT          the port of the API                 (6443)
#   KEELSON_BIN           built binaries; nothing is installed or built when it is given
#   JOBS                  parallel compilations               (one a core)

# shellcheck disable=SC2034  # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run_dir=${KEELSON_RUN_DIR:-$root/.keelson}
bin=${KEELSON_BIN:-$root/build/release/bin}
read -r -a client_ports <<<"${KEELSON_CLIENT_PORTS:-2379 22379 32379}"
read -r -a peer_ports <<<"${KEELSON_PEER_PORTS:-2380 22380 32380}"
port=${KEELSON_PORT:-6443}
jobs=${JOBS:-$(nproc)}

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Its items with commas between them.
joined() { (IFS=,; echo "$*"); }

# build TARGET...: what is needed is installed, configured and built, into build/$preset.
preset=release
build() {
  "$root/tools/install-dependencies"
  mkdir -p "$root/build"
  if [[ ! -f $root/build/$preset/build.ninja ]]; then
    echo "Configuring"
    (cd "$root" && cmake --preset "$preset") >"$root/build/configure.log" 2>&1 ||
      fail "cmake failed: $(grep -m 1 -A 1 'CMake Error' "$root/build/configure.log" | tr -s '\n ' ' ') (see build/configure.log)"
  fi
  # Says nothing when there is nothing to do.
  if ! ninja -C "$root/build/$preset" -n "$@" | grep -q 'no work to do'; then
    echo "Building ($preset, $jobs jobs)"
    ninja -C "$root/build/$preset" -j "$jobs" "$@" || fail "the build failed; the first error is above"
  fi
}
