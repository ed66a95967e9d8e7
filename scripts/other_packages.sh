# shellcheck shell=bash
# Part of setup.sh: Debian packages of another release or architecture, unpacked and not installed. apt works on lists of its own.
#
#   fetch_lists DIRECTORY ARCHITECTURE SUITE    first: what there is
#   with_dependencies PACKAGE...                prints these and all that they need
#   stands_for PACKAGE                          prints what one depends on that only names others
#   describe PACKAGE...                         prints what their lists say of them
#   unpack DIRECTORY ROOT PACKAGE...            exactly these, into ROOT
#
# DIRECTORY is for apt alone, and may be removed afterwards.

# sources_line SUITE: the mirror that this machine itself uses for Debian, with the keys it trusts for it.
# apt tells which entry of which file that is: a stanza of a .sources file, or a line of a .list file.
sources_line() {
    local suite=$1 codename uri place file entry keys
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016  # apt's own $(...)
    IFS='|' read -r uri place < <(
        apt-get indextargets --format '$(CODENAME)|$(COMPONENT)|$(ORIGIN)|$(REPO_URI)|$(SOURCESENTRY)' \
            'Created-By: Packages' | sed -nE "s/^$codename\|main\|(Debian|Raspbian)\|//p"
    ) || return 1
    file=${place%:*} entry=${place##*:}
    case $file in
        *.sources) keys=$(grep -v '^#' "$file" | awk -v RS= "NR == $entry" | sed -nE 's|^Signed-By:[ \t]*(/.*)|\1|p') ;;
        *) keys=$(sed -nE "${entry}s|.*signed-by=([^] ]+).*|\1|p" "$file") ;;
    esac
    echo "deb ${keys:+[signed-by=${keys// /,}] }$uri $suite main"   # no keys named there: apt's general ones
}

fetch_lists() {
    local apt=$1 arch=$2 suite=$3
    rm -rf "$apt"
    mkdir -p "$apt"/{lists,cache/archives}/partial
    sources_line "$suite" >"$apt/sources.list" ||
        { apt_update && sources_line "$suite" >"$apt/sources.list"; } ||
        { quietly echo "apt has no Debian mirror among its sources"; return 1; }
    own_lists=(
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Default-Release=
        -o Dir::State::lists="$apt/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache"
        -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Acquire::Languages=none
        -o APT::Sandbox::User=root   # apt's usual user may not write below a home folder
    )
    quietly apt-get "${own_lists[@]}" update
}

with_dependencies() {
    apt-cache "${own_lists[@]}" depends --recurse --important "$@" 2>/dev/null | grep '^[a-z0-9]' | sort -u ||
        { quietly echo "it has no package $*"; return 1; }
}

stands_for() { apt-cache "${own_lists[@]}" depends --important "$1" | sed -n 's/^ *Depends: //p'; }
describe() { apt-cache "${own_lists[@]}" show --no-all-versions "$@"; }

unpack() {
    local apt=$1 root=$2 deb
    shift 2
    mkdir -p "$root"
    (cd "$apt" && quietly apt-get "${own_lists[@]}" download "$@") || return 1
    for deb in "$apt"/*.deb; do
        quietly dpkg-deb -x "$deb" "$root" || return 1
        rm "$deb"
    done
}
