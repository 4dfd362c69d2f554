#!/usr/bin/env bash
# Runs the tests of the engine, and a storm of threads on it, on a Python without the interpreter's lock.
#
#     bash tests/engine/scripts/freethreaded.sh FOLDER [arguments for pytest]
#
# FOLDER lies outside the checkout and is made if missing. The first run builds CPython 3.13 there from the source
# package of Debian 13, which takes some minutes on two cores and 500 MB; later ones use what is there.
# Nothing of the system changes: the list of packages, and what is fetched, stay in FOLDER. Debian with
# apt, dpkg-dev and gcc is needed, and zlib1g-dev, libssl-dev, libffi-dev.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
if (($# < 1)); then
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
mkdir -p "$1"
work=$(cd "$1" && pwd)
shift
case $work/ in "$root"/*)
    echo "$work lies in the checkout: give a folder elsewhere" >&2
    exit 2
    ;;
esac
python=$work/python/bin/python3.13t

# fetch: the newest source of 3.13 that Debian 13 has; apt checks its signature.
fetch() {
    local mirror list=$work/apt/source.list
    mirror=$(apt-get indextargets --format '$(SITE)' | grep -E -m 1 '/debian/?$') || {
        echo "the lists of apt name no mirror of Debian" >&2
        exit 77
    }
    mkdir -p "$work/apt/lists/partial" "$work/source"
    printf 'deb-src [signed-by=%s] %s trixie main\n' \
        /usr/share/keyrings/debian-archive-keyring.gpg "$mirror" >"$list"
    local options=(-q -o "Dir::Etc::sourcelist=$list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::Lists=$work/apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    (cd "$work/source" && apt-get "${options[@]}" source --download-only python3.13)
}

build() {
    local archive
    fetch
    rm -rf "$work/build" "$work/python"
    mkdir "$work/build"
    archive=$(find "$work/source" -name 'python3.13_*.orig.tar.*' ! -name '*.asc' | sort -V | tail -n 1)
    tar -C "$work/build" --strip-components=1 -xf "$archive"
    (
        cd "$work/build"
        ./configure -q --disable-gil --prefix="$work/python" --with-ensurepip=install
        nice make -s -j2
        nice make -s install
    ) >"$work/build.log" 2>&1 || {
        tail -n 50 "$work/build.log" >&2
        exit 1
    }
    rm -rf "$work/build"
    touch "$work/python/whole"
}

if [ ! -e "$work/python/whole" ]; then
    build
fi
"$python" -VV

# A copy, so that what is built for this Python does not lie in the checkout.
rm -rf "$work/checkout"
mkdir "$work/checkout"
tar -C "$root" -cf - --exclude=__pycache__ --exclude='*.so' --exclude='*.egg-info' \
    pystorage tests setup.cfg setup.py pyproject.toml README.md LICENSE | tar -C "$work/checkout" -xf -
cd "$work/checkout"
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary hypothesis -e '.[testing]' pytest-timeout anyio

unset PYSTORAGE_PURE PYTHON_GIL
# What the engine promises is looked at first: a module that does not do so would bring the lock back.
"$work/venv/bin/python" -c '
import sys
from pystorage.engine import IMPLEMENTATION
print(f"engine: {IMPLEMENTATION}, lock of the interpreter:", "on" if sys._is_gil_enabled() else "off")
sys.exit(IMPLEMENTATION != "c" or sys._is_gil_enabled())'
# Nor may a module that the tests need.
export PYTHON_GIL=0
"$work/venv/bin/python" -X faulthandler tests/engine/scripts/storm.py "${STORM_SECONDS:-60}"
if (($# == 0)); then
    set -- tests/engine tests/memoize/test_lru.py tests/memoize/test_shortcuts.py
fi
"$work/venv/bin/python" -X faulthandler -m pytest -q -p no:cacheprovider "$@"
