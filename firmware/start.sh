#!/bin/sh
# Starts Knocklet's parts, the same on every board. It lies beside them, in /usr/lib/knocklet.
#
#   start.sh engine [OPTION...]    what a service manager starts again for ever
#   start.sh agent [OPTION...]
#   start.sh forget [OPTION...]    after a stop that was wanted: earlier starts of the engine do not count
#   knockletctl ...                the same file, by a symlink
#
# KNOCKLET_HEAP: as micropython -X heapsize= takes it. The fifth start of the engine within ten minutes is a --safe one.
set -u

run=/var/run/knocklet
many=5
here=$(readlink -f "$0")
here=${here%/*}

# fail CODE LINE
fail() { echo "knocklet: $2" >&2; exit "$1"; }

# has PROGRAM
has() { command -v "$1" >/dev/null 2>&1; }

# Prints the starts within ten minutes, this one last, at most as many as make it safe. By uptime: the clock may be set meanwhile.
starts() {
    read -r now _ </proc/uptime
    now=${now%.*}
    recent=
    if [ -f "$run/starts" ]; then
        while read -r at; do
            case $at in '' | *[!0-9]*) continue ;; esac
            # Later than now is of another boot, in a run directory that lasts.
            if [ "$at" -le "$now" ] && [ $((now - at)) -lt 600 ]; then recent="$recent $at"; fi
        done <"$run/starts"
    fi
    # shellcheck disable=SC2086  # numbers, split on purpose
    printf '%s\n' $recent "$now" | tail -n $many
}

part=${1-}
case ${0##*/} in
    knockletctl) part=knockletctl ;;
    *) [ $# = 0 ] || shift ;;
esac

stays=$part
previous=
for word in "$@"; do
    case $word in --check | --uninstall) stays= ;; esac
    if [ "$previous" = --run-dir ]; then run=$word; fi
    previous=$word
done

case $part in
    engine | agent) file=knocklet_$part.py ;;
    knockletctl) file=knockletctl.py ;;
    forget) rm -f "$run/starts"; exit ;;
    *) fail 2 "start.sh: found \"$part\"; allowed: engine, agent, forget" ;;
esac

set -- "$here/$file" "$@"
heap=${KNOCKLET_HEAP-}
number=${heap%[kKmM]}
case $number:$heap in
    :) ;;
    :* | *[!0-9]*:*) fail 2 "heap (KNOCKLET_HEAP): found \"$heap\"; allowed: a size as 1M or 768k" ;;
    *) set -- -X "heapsize=$heap" "$@" ;;
esac

if ! has micropython; then
    for manager in "apk add micropython-mbedtls" "opkg install micropython-mbedtls" "apt install micropython"; do
        if has "${manager%% *}"; then fail 127 "MicroPython is missing: $manager"; fi
    done
    fail 127 "MicroPython is missing: install 1.23 or newer"
fi

if [ "$stays" = engine ]; then
    recent=$(starts)
    # Where it cannot be written every start is the first; the engine says what is wrong with the directory.
    { [ -d "$run" ] || mkdir -m 700 "$run"; echo "$recent" >"$run/starts"; } 2>/dev/null
    if [ "$(echo "$recent" | wc -l)" -ge $many ]; then set -- "$@" --safe; fi
fi

exec micropython "$@"
