#!/usr/bin/env bash
# Sets up a Debian 12, Debian 13 or Raspberry Pi OS machine for Knocklet; a second run finds all in place.
#
#   scripts/setup.sh [PART...]      packages python micropython64 micropython32 node chromium board raspberry_pi (default: all)
#
#   packages       Debian packages that are missing
#   python         .venv with what requirements.txt pins, and the knocklet command
#   micropython64  build/micropython/64/micropython   what the engine runs on here
#   micropython32  build/micropython/32/micropython   for the tests that look at memory on a 32-bit machine
#   node           Node.js 18 or newer with npm, which put the page that knocks into one file
#   chromium       Debian's Chromium, in which tests open that page
#   board          QEMU, and in build/boards/qemu_arm64/ what the arm64 board comes with, for the tests that boot it
#   raspberry_pi   a Debian 13 with systemd in build/boards/raspberry_pi/, for the tests that install and boot the package
#
# Each part says in one line what it does; what the programs it calls print is in build/setup-PART.log.
set -Eeuo pipefail
trap 'echo "setup: line $LINENO failed: $BASH_COMMAND" >&2' ERR   # what no line below explains
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

if [ "$(id -u)" != 0 ]; then
    echo "needs root: sudo make ${SETUP_FOR:-setup}" >&2
    exit 2
fi
command -v apt-get >/dev/null || die "needs Debian 12, Debian 13 or Raspberry Pi OS: there is no apt-get here"

# Of two set-ups at once the second waits, then finds nothing to do. -o: what we start does not inherit the lock.
mkdir -p build
[ -n "${SETUP_LOCKED-}" ] || SETUP_LOCKED=1 exec flock -o build/setup.lock scripts/setup.sh "$@"

# quietly COMMAND...: its output goes to the part's log, which holds the last one's.
quietly() { "$@" >"$log" 2>&1; }

# The first line there that names an error: the reason in our own one line.
reason() { { grep -aE '^ *(E:|ERROR|[Ee]rror|dpkg)' "$log" || cat "$log"; } | head -n 1 | cut -c 1-300; }

wanted_packages='
    python3-venv     # .venv
    iproute2         # the lab: namespaces, links, addresses
    procps           # tests: sysctl
    kmod             # the kernel loads ip_set and nf_tables through its modprobe
    nftables         # firewall "nft", and the kernel-only recipe of the bench
    iptables         # the rules of firewall "ipset"
    ipset            # lists the sets of firewall "ipset", to compare them with what the engine says
    conntrack        # the lab: forgets connections between tests
    dropbear-bin     # SSH server of the lab gateway
    faketime         # tests: an engine with another clock
    strace           # tests: storage that fails
    nmap             # tests: does a protected port look like any other closed one
    knockd           # bench: a peer and its client
    fwknop-server    # bench: a peer
    fwknop-client    # bench: its client; tests: knocks of kind fwknop
    openssh-client   # tests: what knocklet ssh-config prints
    ca-certificates  # tests: an agent that trusts what the system trusts
    mosquitto        # the broker of demo, tests and bench
    dbus-daemon      # tests: the bus of a desktop, on which
    gnome-keyring    # tests: its keyring keeps a key
    busybox-static   # tests: the shell and the tools of routers
    shellcheck       # lint
'

missing_packages() {
    local wanted
    wanted=$(grep -oE '^ +[a-z0-9-]+' <<<"$wanted_packages" | xargs -n 1 | sort -u)
    # shellcheck disable=SC2086  # names, split on purpose; || true: one that dpkg has never heard of is just missing
    { dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true; } |
        sed -n 's/^installed //p' | sort -u | comm -23 <(echo "$wanted") - | xargs
}

# One part at a time. With the package lists as they are; they are fetched anew only if that fails.
apt_update() { quietly flock -o build/apt.lock apt-get update; }
apt_install() {
    local install=(
        flock -o build/apt.lock env DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300
    )
    quietly "${install[@]}" "$@" || { apt_update && quietly "${install[@]}" "$@"; }
}

set_up_packages() {
    local missing policy=/usr/sbin/policy-rc.d service
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    say "installing Debian packages: $missing"

    # The peers and the broker are wanted as programs: Debian would start them as services, now and at every boot.
    # A policy that the machine has already stays.
    if [ ! -e $policy ]; then
        # shellcheck disable=SC2064  # the path as it is now
        trap "rm -f $policy" EXIT
        # shellcheck disable=SC2016  # for the policy's own shell
        printf '#!/bin/sh\ncase "$1" in knockd*|fwknop-server*|mosquitto*) exit 101 ;; esac\n' >$policy
        chmod 755 $policy
    fi
    # shellcheck disable=SC2086  # names, split on purpose
    apt_install $missing || die "apt-get could not install them: $(reason)"
    for service in knockd fwknop-server mosquitto; do
        # || true: without systemd there is nothing to disable
        case " $missing " in *" $service "*) quietly systemctl disable "$service" || true ;; esac
    done
}

# The first python3 that is new enough: an older one in front on PATH does not hide the system's.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    die "needs Python 3.11 or newer, python3 here is $(python3 --version 2>&1 || true)"
}

# Complete, its interpreter still there, and not moved: programs in it carry their path.
venv_works() {
    [ -e .venv/complete ] && .venv/bin/python -c '' 2>/dev/null && grep -q "^command = .* $PWD/.venv$" .venv/pyvenv.cfg
}

set_up_python() {
    local key python pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
    key=$(cat requirements.txt pyproject.toml scripts/setup.sh | sha256sum)
    if venv_works && [ "$(cat .venv/complete)" = "$key" ]; then return; fi

    # The mark goes first and comes back last: what an interrupted run leaves is thrown away by the next.
    if venv_works; then
        rm .venv/complete
    else
        python=$(find_python)
        say "making .venv with $("$python" --version)"
        rm -rf .venv
        quietly "$python" -m venv .venv || die "could not make .venv: $(reason)"
    fi
    say "installing the Python packages of requirements.txt into .venv"
    quietly "${pip[@]}" install -r requirements.txt || die "pip could not install them: $(reason)"
    quietly "${pip[@]}" install --no-build-isolation --no-deps -e . ||
        die "pip could not install the knocklet command: $(reason)"
    echo "$key" >.venv/complete
}

node_works() { command -v npm >/dev/null && node -e 'process.exit(Number(parseInt(process.versions.node) < 18))' 2>/dev/null; }

set_up_node() {
    if node_works; then return; fi
    say "installing the Debian packages nodejs npm"
    apt_install nodejs npm || die "apt-get could not install them: $(reason)"
    node_works || die "needs Node.js 18 or newer with npm, node here is $(node --version 2>&1 || true)"
}

set_up_chromium() {
    if command -v chromium >/dev/null; then return; fi
    say "installing the Debian package chromium"
    apt_install chromium || die "apt-get could not install it: $(reason)"
}

# shellcheck source=scripts/other_packages.sh
. scripts/other_packages.sh
# shellcheck source=scripts/setup_micropython.sh
. scripts/setup_micropython.sh
# shellcheck source=scripts/setup_board.sh
. scripts/setup_board.sh
# shellcheck source=scripts/setup_raspberry_pi.sh
. scripts/setup_raspberry_pi.sh

parts=${*:-packages python micropython64 micropython32 node chromium board raspberry_pi}
running=()

set_up() {
    log=$PWD/build/setup-$1.log
    case $1 in
        packages) set_up_packages ;;
        python) set_up_python ;;
        micropython64) set_up_micropython 64 ;;
        micropython32) set_up_micropython 32 ;;
        node) set_up_node ;;
        chromium) set_up_chromium ;;
        board) set_up_board ;;
        raspberry_pi) set_up_raspberry_pi ;;
        *) die "no part \"$1\"; parts are packages python micropython64 micropython32 node chromium board raspberry_pi" ;;
    esac
}

# The packages first, of which the others need some. The others at once: most of the time they wait for the network.
case " $parts " in *" packages "*) set_up packages ;; esac
set -m   # each is a process group, which Ctrl-C ends
trap 'trap - ERR; for pid in "${running[@]}"; do kill -INT -- "-$pid" 2>/dev/null; done; exit 130' INT TERM
for part in $parts; do
    if [ "$part" != packages ]; then
        (set_up "$part") </dev/null &
        running+=($!)
    fi
done
failed=0
for pid in "${running[@]}"; do wait "$pid" || failed=1; done
exit $failed
