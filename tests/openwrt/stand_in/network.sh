# Stands in for netifd's library: /tmp/netifd/INTERFACE says "device" and, while it is up, "l3_device", as NAME=VALUE.

network_get_device() { _network "$1" "$2" l3_device; }
network_get_physdev() { _network "$1" "$2" device; }

_network() {
	local found
	unset -v "$1"
	found=$(sed -n "s/^$3=//p" "/tmp/netifd/$2" 2>/dev/null)
	[ -n "$found" ] && eval "$1=\$found"
}
