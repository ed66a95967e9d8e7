# Stands in for what an init script finds on OpenWrt: UCI, its checks, jshn and users.

# logger -s -t knocklet LINE. A function: busybox's shell takes its own before any program.
logger() {
	echo "$4" >>/tmp/log
	echo "$3: $4" >&2
}

user_exists() { grep -q "^$1:" /etc/passwd; }

# UCI: the file itself is a list of these commands.
config() { section=$2; }
option() { eval "uci_${section}_$1=\$2"; }
list() { eval "uci_${section}_$1=\"\${uci_${section}_$1:+\$uci_${section}_$1 }\$2\""; }

# uci -q show PACKAGE, of which it only tells whether it can be read. uci -q get PACKAGE.SECTION.OPTION
uci() {
	sh -n "/etc/config/${3%%.*}" 2>/dev/null || return 1
	[ "$2" = get ] || return 0
	(
		. "/etc/config/${3%%.*}"
		set -- "${3#*.}"
		eval "echo \"\$uci_${1%%.*}_${1#*.}\""
	)
}

# What config_load has read: sections of a type, and their options.
config_load() {
	zones='' zone=0
	config() {
		section="$1_$((zone += 1))"
		zones="$zones $section"
	}
	. "/etc/config/$1"
}
config_get() { eval "$1=\${uci_$2_$3:-\$4}"; }
config_foreach() {
	local call=$1 type=$2 each
	shift 2
	for each in $zones; do
		case $each in "$type"_*) "$call" "$each" "$@" ;; esac
	done
}

# jsonfilter -i FILE -e @.KEY
jsonfilter() { micropython /lib/jshn.py get "$2" "${4#@.}"; }

# uci_validate_section PACKAGE TYPE SECTION OPTION:DATATYPE[:DEFAULT]
uci_validate_section() {
	local option=${4%%:*} datatype=${4#*:} default= value word
	case $datatype in *:*) default=${datatype#*:} datatype=${datatype%%:*} ;; esac
	value=$(uci -q get "$1.$3.$option")
	echo "$1.$3.$option=$value, to be $datatype" >&2
	for word in $value; do
		case $datatype in
			bool) pattern='0|off|false|no|disabled|1|on|true|yes|enabled' ;;
			port) pattern='[0-9]{1,5}' ;;
			host) pattern='[A-Za-z0-9_.:-]+' ;;
			string) pattern='.*' ;;
			'list(uciname)') pattern='[A-Za-z0-9_]+' ;;
			regex*) pattern=${datatype#*\"} pattern=${pattern%\"*} ;;
			*) return 255 ;;
		esac
		echo "$word" | grep -Eqx "$pattern" || return 255
	done
	[ "$datatype" != bool ] || case ${value:-$default} in
		1 | on | true | yes | enabled) value=1 ;;
		?*) value=0 ;;
	esac
	value=${value:-$default}
	if [ -n "$value" ]; then eval "$option=\$value"; else unset -v "$option"; fi
}

# jshn: jshn.py keeps what is made so far in /tmp/json.
for call in init load_file select add_object add_string add_int add_boolean dump; do
	eval "json_$call() { micropython /lib/jshn.py $call \"\$@\"; }"
done

# What the scripts of each package call: SCRIPT [WORD...]. Of opkg's, with the parts that are Knocklet's own beside them.
_init_scripts() { grep '^/etc/init.d/' "/usr/lib/opkg/info/$pkgname.list"; }
default_prerm() {
	local pkgname each ret=0
	pkgname=$(basename "${1%.*}")
	if [ -f "/usr/lib/opkg/info/$pkgname.prerm-pkg" ]; then
		(. "/usr/lib/opkg/info/$pkgname.prerm-pkg")
		ret=$?
	fi
	for each in $(_init_scripts); do
		[ "$PKG_UPGRADE" = 1 ] || "$each" disable
		"$each" stop
	done
	return $ret
}
default_postinst() {
	local pkgname each
	pkgname=$(basename "${1%.*}")
	for each in $(grep '^/etc/uci-defaults/' "/usr/lib/opkg/info/$pkgname.list"); do
		([ -f "$each" ] && cd "${each%/*}" && . "$each") && rm -f "$each"
	done
	for each in $(_init_scripts); do
		[ "$PKG_UPGRADE" = 1 ] || "$each" enable
		"$each" start
	done
}
