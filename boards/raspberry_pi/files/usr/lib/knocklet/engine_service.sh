#!/bin/sh
# What systemd runs for the engine. Its environment: /etc/default/knocklet.
#
#   engine_service.sh run       closes, then starts it with the interfaces that knocks come in by
#   engine_service.sh wait      until it protects, or 20 seconds: the network is not held up for longer
#   engine_service.sh stopped   a stop that was wanted is no crash
#   engine_service.sh keep      another configuration was confirmed: its rules are the ones to close with
#   engine_service.sh look      the network has changed: restart when there is a default route by an interface not known yet
set -u

here=/usr/lib/knocklet
kept=/etc/knocklet/interfaces
closed=/etc/knocklet/closed.nft

# Those with a default route now or at an earlier start, eight at most: at boot there is no route yet, and a cable that is
# pulled out does not open what it led to. Where one is new, those of now are in front, and the last ones go.
known() {
    before=$(names <$kept)
    now=$({ ip -4 route show default; ip -6 route show default; } | device | names)
    if printf %s "$now" | grep -qvxF "$before"; then
        printf '%s\n' "$now" "$before" | names | head -n 8
    else
        echo "$before" | head -n 8
    fi
}
names() { grep -E '^[A-Za-z0-9_.-]{1,15}$' | grep -vx lo | awk '!seen[$0]++'; }
device() { sed -n 's/.* dev \([^ ]*\).*/\1/p'; }

rules() { nft --stateless --terse list table inet knocklet 2>/dev/null; }

# After a boot the kernel has no rules. The last ones, with nobody in their sets, are there before the engine: if it should not
# come up (a mistake in the configuration, no MicroPython), its ports are shut all the same. With iptables there is no such file.
close_first() { [ ! -s $closed ] || rules >/dev/null || nft -f $closed || echo "knocklet: $closed cannot be loaded" >&2; }
keep_rules() { rules >$closed.new && mv $closed.new $closed; }

run() {
    close_first
    interfaces=${INTERFACES-}
    [ -e $kept ] || : >$kept
    if [ -z "$interfaces" ]; then
        names=$(known)
        if [ "$names" != "$(cat $kept)" ]; then
            for name in $(names <$kept); do
                echo "$names" | grep -qxF "$name" || echo "knocklet: $name is left out: eight interfaces are newer" >&2
            done
            { echo "$names" >$kept.new && mv $kept.new $kept; } || echo "knocklet: $kept cannot be written" >&2
        fi
        interfaces=$(echo "$names" | paste -sd, -)
    fi
    # shellcheck disable=SC2086  # options, split on purpose
    exec $here/start.sh engine ${interfaces:+--interfaces "$interfaces"} ${ENGINE_OPTIONS-}
}

wait_until_ready() {
    tries=0
    while [ $tries -lt 100 ]; do
        kill -0 "$MAINPID" 2>/dev/null || exit 1 # it has said why
        if knockletctl status >/dev/null 2>&1; then
            keep_rules || rm -f $closed $closed.new
            exit 0
        fi
        tries=$((tries + 1))
        sleep 0.2
    done
}

look() {
    # shellcheck source=/dev/null
    INTERFACES=$(. /etc/default/knocklet; echo "${INTERFACES-}") 2>/dev/null
    [ -z "$INTERFACES" ] || exit 0
    [ -e $kept ] || exit 0   # it has never run
    [ "$(known)" = "$(cat $kept 2>/dev/null)" ] || exec systemctl --no-block try-restart knocklet-engine.service
}

case ${1-} in
    run) run ;;
    wait) wait_until_ready ;;
    stopped)
        keep_rules || rm -f $closed.new
        [ "${SERVICE_RESULT-}" != success ] || exec $here/start.sh forget
        ;;
    keep) keep_rules ;;
    look) look ;;
    *) echo "engine_service.sh: found \"${1-}\"; allowed: run, wait, stopped, keep, look" >&2; exit 2 ;;
esac
