# The local cluster of tools/up, tools/down and tools/status: where it lives and how its members are told apart.
# Sourced. Every member has a folder $run_dir/NAME with data/, log and pid.
#
#   KEELSON_RUN_DIR       where members live               (.keelson in the project's root)
#   KEELSON_CLIENT_PORTS  one client port a member         (2379 22379 32379)
#   KEELSON_PEER_PORTS    one peer port a member           (2380 22380 32380)
#   KEELSON_BIN           built binaries; nothing is installed or built when it is given
#   JOBS                  parallel compilations            (one a core)

# shellcheck disable=SC2034  # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run_dir=${KEELSON_RUN_DIR:-$root/.keelson}
bin=${KEELSON_BIN:-$root/build/release/bin}
read -r -a client_ports <<<"${KEELSON_CLIENT_PORTS:-2379 22379 32379}"
read -r -a peer_ports <<<"${KEELSON_PEER_PORTS:-2380 22380 32380}"
jobs=${JOBS:-$(nproc)}
names=()
for i in "${!client_ports[@]}"; do names+=("m$((i + 1))"); done

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

[[ ${#client_ports[@]} -eq ${#peer_ports[@]} ]] || fail "KEELSON_CLIENT_PORTS and KEELSON_PEER_PORTS must be equally many"

# The pid of a member that runs, else nothing. A pid file outlives its process, and pids are given out again:
# only a process that was started on this member's own data folder is ours.
member_pid() {
  local pid
  pid=$(cat "$run_dir/$1/pid" 2>/dev/null) || return 0
  [[ $pid =~ ^[0-9]+$ ]] || return 0
  if tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "--data-dir=$run_dir/$1/data" &&
    ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null; then
    echo "$pid"
  fi
}

# True when the member on client port $1 says that it can serve.
serves() {
  # shellcheck disable=SC2016
  timeout 2 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$0" || exit 1
    printf "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" >&3
    grep -q "\"health\":\"true\"" <&3' "$1" 2>/dev/null
}

# True when something listens on port $1.
port_taken() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

all_endpoints() {
  local list=("${client_ports[@]/#/127.0.0.1:}")
  (IFS=,; echo "${list[*]}")
}

# build TARGET...: what is needed is installed, configured and built, into build/release.
build() {
  "$root/tools/install-dependencies"
  mkdir -p "$root/build"
  if [[ ! -f $root/build/release/build.ninja ]]; then
    echo "Configuring"
    (cd "$root" && cmake --preset release) >"$root/build/configure.log" 2>&1 ||
      fail "cmake failed: $(grep -m 1 -A 1 'CMake Error' "$root/build/configure.log" | tr -s '\n ' ' ') (see build/configure.log)"
  fi
  # Says nothing when there is nothing to do.
  if ! ninja -C "$root/build/release" -n "$@" | grep -q 'no work to do'; then
    echo "Building (release, $jobs jobs)"
    ninja -C "$root/build/release" -j "$jobs" "$@" || fail "the build failed; the first error is above"
  fi
}
