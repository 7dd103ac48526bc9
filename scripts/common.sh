# Sourced by the other scripts: one build cache outside the checkout, and what building needs.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/centaur/target}"

say() { echo "$(basename "$0"): $*" >&2; }

# Installs Debian or Ubuntu packages when that is possible, else prints the exact list and stops.
need_packages() {
    [ $# -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $*"
        apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
            { apt-get update >/dev/null && apt-get install -y --no-install-recommends "$@" >/dev/null; }
    else
        say "these packages are missing; install them and try again:"
        say "  apt-get install $*"
        exit 1
    fi
}

# The compiler for the C parts of the cryptography, the allocator and zstd; and Rust itself.
need_build_tools() {
    missing=
    command -v cc >/dev/null || missing="$missing gcc libc6-dev"
    command -v make >/dev/null || missing="$missing make"
    # shellcheck disable=SC2086
    need_packages $missing
    if ! command -v cargo >/dev/null; then
        say "Rust 1.95 or newer is missing; see https://rustup.rs"
        exit 1
    fi
}
