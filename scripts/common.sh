# Shared by the scripts here; read by them with `.`, not run.

set -euo pipefail

source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# Where everything is built. One folder per kind of build lies below it.
build_root="${VISOR_BUILD_ROOT:-$source_dir/build}"

# Compilers of this code take up to 1.5 GB each, so that memory limits how many run at once, not only the cores.
jobs() {
  local cores memory
  cores="$(nproc)"
  memory="$(awk '/^MemAvailable:/ {print int($2 / 1500000)}' /proc/meminfo)"
  if [ "$memory" -lt 1 ]; then memory=1; fi
  if [ "$cores" -lt "$memory" ]; then echo "$cores"; else echo "$memory"; fi
}

# Says what happens next, so that nobody looks at a silent screen.
say() {
  if [ -t 1 ]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Runs a command with its output in a file, and shows the end of that file only when it fails.
quietly() {
  local log
  log="$(mktemp)"
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    local status=$?
    tail -n 60 "$log" >&2
    rm -f "$log"
    die "failed with status $status: $*"
  fi
}

# Configures a build as its preset in CMakePresets.json says, in the folder of that name.
configure() {
  quietly cmake -S "$source_dir" --preset "$1" -B "$build_root/$1"
}
