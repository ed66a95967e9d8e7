# shellcheck shell=bash
# Part of setup.sh: a Debian 13 as on a Raspberry Pi, of this machine's architecture, in build/boards/raspberry_pi/root.
#
# Tests copy it, install the package in it with its own dpkg, and boot it with its own systemd in a container.

pi_suite=trixie
pi_packages=systemd-sysv,micropython,nftables,iptables,ipset,iproute2,passwd,apt,dropbear-bin

set_up_raspberry_pi() {
    local home=$PWD/build/boards/raspberry_pi key
    if ! { command -v mmdebstrap && command -v systemd-nspawn; } >/dev/null; then
        say "installing the Debian packages mmdebstrap systemd-container"
        apt_install mmdebstrap systemd-container || die "apt-get could not install them: $(reason)"
    fi
    key=$(sha256sum <scripts/setup_raspberry_pi.sh)
    if [ -e "$home/complete" ] && [ "$(cat "$home/complete")" = "$key" ]; then return; fi
    say "installing Debian $pi_suite into build/boards/raspberry_pi/root"
    rm -rf "$home"
    mkdir -p "$home"
    make_pi "$home/root" || die "Debian $pi_suite: it cannot be had today: $(reason)"
    echo "$key" >"$home/complete"
}

make_pi() {
    local source
    source=$(sources_line $pi_suite) || { apt_update && source=$(sources_line $pi_suite); } ||
        { quietly echo "apt has no Debian mirror among its sources"; return 1; }
    quietly mmdebstrap --mode=root --variant=essential --include=$pi_packages \
        --aptopt='APT::Install-Recommends "0"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/knocklet/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' $pi_suite "$1" "$source"
}
