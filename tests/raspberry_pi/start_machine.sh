#!/bin/sh
# start_machine.sh NAME ROOT: boots ROOT in a container. Stays until it ends.
#
# Started by machine.py in the network namespace that the container is to have, and in a mount namespace of its own: there, and
# nowhere else, the control groups are systemd 257's kind.
set -eu
name=$1 root=$2
groups=/sys/fs/cgroup

if [ "$(stat -fc %T $groups)" != cgroup2fs ]; then
    umount -R $groups
    mount -t cgroup2 cgroup2 $groups
fi
mkdir "$groups/$name"
echo $$ >"$groups/$name/cgroup.procs"

# It sets neither clock nor kernel of the machine around it; with its network it may do all.
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --boot --directory="$root" --machine="$name" \
    --register=no --keep-unit --capability=CAP_NET_ADMIN \
    --resolv-conf=off --timezone=off --link-journal=no --console=pipe
