# shellcheck shell=bash
# Part of setup.sh: what the arm64 board in QEMU comes with, out of Debian 13's packages, in build/boards/qemu_arm64/:
#
#   kernel      as QEMU starts it
#   root/       everything else but the board's own files (boards/qemu_arm64/system/) and Knocklet
#
# Nothing of it runs here. scripts/build_board_image.py makes a disk of it.

board_suite=trixie
board_kernel=linux-image-cloud-arm64
board_packages='
    busybox-static   # init, shell and the commands of a small router
    micropython
    nftables
    iptables
    ipset
    dropbear-bin     # SSH without sftp, as routers have it
    dpkg             # takes a .deb as any Debian does
    tar              # what dpkg calls
    libc-bin         # ldconfig: dpkg does not start without it
'

# The first word of each line.
names_in() { grep -oE '^ +[a-z0-9-]+' <<<"$1" | xargs; }

set_up_board() {
    local home=$PWD/build/boards/qemu_arm64 key
    if ! { command -v qemu-system-aarch64 && command -v mke2fs && command -v cpio && command -v xz; } >/dev/null; then
        say "installing the Debian packages qemu-system-arm e2fsprogs cpio xz-utils"
        apt_install qemu-system-arm e2fsprogs cpio xz-utils || die "apt-get could not install them: $(reason)"
    fi
    key=$(cat scripts/setup_board.sh scripts/other_packages.sh | sha256sum)
    if [ -e "$home/complete" ] && [ "$(cat "$home/complete")" = "$key" ]; then return; fi
    rm -rf "$home"
    mkdir -p "$home"
    say "unpacking the arm64 board in QEMU from Debian $board_suite"
    unpack_board "$home" "$home/apt" || die "the arm64 board: Debian $board_suite does not serve it today: $(reason)"
    rm -rf "$home/apt"
    echo "$key" >"$home/complete"
}

unpack_board() {
    local home=$1 apt=$2 root=$1/root kernel packages
    fetch_lists "$apt" arm64 $board_suite || return 1
    kernel=$(stands_for $board_kernel) || return 1
    # shellcheck disable=SC2046  # names, split on purpose
    packages=$(with_dependencies $(names_in "$board_packages")) || return 1
    # shellcheck disable=SC2086
    unpack "$apt" "$root" $packages "$kernel" && unpack "$apt" "$home/more" util-linux libcap-ng0 || return 1
    cp -a "$home"/more/usr/bin/setpriv "$root/usr/bin/" &&   # the engine has two capabilities and no more
        cp -a "$home"/more/usr/lib/aarch64-linux-gnu/libcap-ng.so.* "$root/usr/lib/aarch64-linux-gnu/" || return 1
    rm -r "$home/more"
    mv "$root"/boot/vmlinuz-* "$home/kernel" && keep_modules "$root" || return 1
    # A router's flash has no room for manuals and translations.
    rm -r "${root:?}/boot" "$root"/usr/share/{doc,man,lintian,locale} "$root"/usr/lib/{systemd,aarch64-linux-gnu/gconv} || return 1
    # shellcheck disable=SC2086
    describe $packages |
        sed -E '/^(Filename|Size|MD5sum|SHA256):/d; s/^Package: .*/&\nStatus: install ok installed/' >"$root/var/lib/dpkg/status"
}

# Only what a router of this kind loads, and uncompressed: it is loaded under emulation.
keep_modules() {
    local root=$1 all
    all=$(echo "$root"/usr/lib/modules/*)
    (
        cd "$all" &&
            find kernel -name '*.ko.xz' -not -path '*/netfilter/*' \
                -not -name virtio_net.ko.xz -not -name net_failover.ko.xz -not -name failover.ko.xz \
                -not -name virtio_blk.ko.xz -not -name libcrc32c.ko.xz -delete &&
            find kernel -type d -empty -delete &&
            find kernel -name '*.ko.xz' -exec xz -d {} +
    ) || return 1
    ln -s usr/lib "$root/lib"   # where depmod looks, and everything else
    quietly depmod -b "$root" "${all##*/}"
}
