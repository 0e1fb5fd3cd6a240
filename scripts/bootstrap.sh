#!/bin/sh
# Makes or renews .venv exactly as uv.lock says, hashes checked. Needs python3 (3.11 or later) and nothing else:
# without uv on the PATH, one is put into .tools first.
set -eu
cd "$(dirname "$0")/.."

UV_RANGE='uv>=0.13,<1'

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    say "Python 3.11 or later is needed: on Debian 12, run 'apt-get install python3 python3-venv' as root and try again."
    exit 1
}

# A venv with pip needs ensurepip, which Debian keeps in a package of its own.
need_ensurepip() {
    "$python" -c 'import ensurepip' 2>/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing python3-venv ..."
        apt-get update -qq || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null || true
    fi
    "$python" -c 'import ensurepip' 2>/dev/null && return
    say "Python's venv module is incomplete: run 'apt-get install python3-venv' as root, or install uv, and try again."
    exit 1
}

find_uv() {
    uv=uv
    case "$(uv --version 2>/dev/null)" in
        '' | 'uv 0.'[0-7].*) ;; # none, or one too old for this lock
        *) return ;;
    esac
    uv=.tools/bin/uv
    # pip goes by the system's certificates; so must the uv that it fetched.
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    "$uv" --version >/dev/null 2>&1 && return
    find_python
    need_ensurepip
    say "Putting uv into .tools ..."
    rm -rf .tools
    "$python" -m venv .tools
    .tools/bin/python -m pip install --quiet --disable-pip-version-check "$UV_RANGE"
}

find_uv
say "Making .venv from uv.lock ..."
# The build backend comes from the lock too, not from an isolated build that nothing pins.
UV_PROJECT_ENVIRONMENT=.venv "$uv" sync --quiet --frozen --all-extras --no-build-isolation-package turnout
