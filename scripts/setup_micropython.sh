# shellcheck shell=bash
# Part of setup.sh: a MicroPython of 64 or of 32 bits at build/micropython/BITS/micropython.
#
# Taken is the first of: what is there already, the one on PATH, Debian's package, Debian 13's packages unpacked.

oldest=1.23   # OpenWrt 24.10

# is_right BITS COMMAND...: it runs here, is new enough, as wide as wanted, and has ffi.
is_right() {
    local bits=$1 found
    shift
    found=$("$@" -c 'import ffi, sys; print(sys.implementation.name, 64 if sys.maxsize >> 32 else 32)' 2>/dev/null) &&
        [ "$found" = "micropython $bits" ] && dpkg --compare-versions "$(version "$@")" ge $oldest
}
version() { "$@" -c 'import sys; print("%d.%d.%d" % sys.implementation.version[:3])'; }

# architecture BITS: Debian's name for it on this kind of machine; empty where there is none.
architecture() {
    case "$1 $(dpkg --print-architecture)" in
        "64 amd64" | "64 i386") echo amd64 ;;
        "32 amd64" | "32 i386") echo i386 ;;
        "64 arm64" | "64 armhf") echo arm64 ;;
        "32 arm64" | "32 armhf") echo armhf ;;
        64\ *) dpkg --print-architecture ;;
    esac
}

# unpack_micropython BITS ARCHITECTURE SUITE: with its libraries, started through their own loader: this machine's libc
# may be older than they want, or of another architecture.
# Fails with 1 when it cannot be had, with 2 when it is here and does not run.
unpack_micropython() {
    local bits=$1 arch=$2 suite=$3 packages loader start
    local home=$PWD/build/micropython/$bits apt=$PWD/build/micropython/apt-$bits
    rm -rf "$home"
    fetch_lists "$apt" "$arch" "$suite" || return 1
    packages=$(with_dependencies micropython) || return 1
    # shellcheck disable=SC2086  # names, split on purpose
    unpack "$apt" "$home/root" $packages || return 1
    rm -rf "$apt"

    loader=$(find "$home/root" -name 'ld-linux*.so.*' -type f | head -n 1)
    start=("$loader" --library-path "${loader%/*}" "$home/root/usr/bin/micropython")
    if ! is_right "$bits" "${start[@]}"; then
        return 2
    fi
    # exec: the process that a test measures or kills is the interpreter itself. Made last: where it is, all the rest is.
    printf '#!/bin/sh\nexec%s "$@"\n' "$(printf ' "%s"' "${start[@]}")" >"$home/new"
    chmod 755 "$home/new"
    mv "$home/new" "$home/micropython"
    say "MicroPython $bits-bit: $(version "$home/micropython"), unpacked from Debian $suite"
}

# use BITS COMMAND: an installed one.
use() {
    rm -rf "build/micropython/$1"
    mkdir -p "build/micropython/$1"
    ln -s "$2" "build/micropython/$1/micropython"
    say "MicroPython $1-bit: $(version "$2"), $2"
}

set_up_micropython() {
    local bits=$1 here=build/micropython/$1/micropython arch candidate suite result suites=trixie
    [ "$bits" = 64 ] || suites='trixie sid'   # on some days trixie's index of 32-bit packages does not verify
    if [ -x "$here" ] && is_right "$bits" "$here"; then return; fi
    if candidate=$(command -v micropython) && is_right "$bits" "$candidate"; then
        use "$bits" "$candidate"
        return
    fi
    arch=$(architecture "$bits")
    if [ "$arch" = "$(dpkg --print-architecture)" ]; then
        candidate=$(apt-cache policy micropython 2>/dev/null | sed -n 's/^ *Candidate: //p')
        if dpkg --compare-versions "${candidate:-0}" ge $oldest && [ "$candidate" != "(none)" ]; then
            say "installing the Debian package micropython $candidate"
            apt_install micropython || die "apt-get could not install it: $(reason)"
            if is_right "$bits" /usr/bin/micropython; then
                use "$bits" /usr/bin/micropython
                return
            fi
        fi
    fi
    result=1
    for suite in $suites; do
        [ -n "$arch" ] || break
        result=0
        unpack_micropython "$bits" "$arch" "$suite" || result=$?
        case $result in
            0) return ;;
            1) say "MicroPython $bits-bit: Debian $suite does not serve it for $arch today: $(reason)" ;;
            2) break ;;
        esac
    done
    rm -rf "build/micropython/$bits" "build/micropython/apt-$bits"
    if [ "$bits" = 32 ] && { [ -z "$arch" ] || [ $result = 2 ]; }; then
        say "this machine does not run 32-bit programs: the tests on 32-bit MicroPython will fail"
        return
    fi
    die "no $bits-bit MicroPython $oldest or newer with ffi: put one on PATH, or try again later"
}
