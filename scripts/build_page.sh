#!/usr/bin/env bash
# Makes host_tools/knocklet_tool/page.html, what `knocklet client page` fills in: host_tools/page/ with the library it
# needs, in one file. What package-lock.json pins is taken, by checksum. Nothing is done when nothing has changed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

mkdir -p build
[ -n "${BUILD_LOCKED-}" ] || BUILD_LOCKED=1 exec flock -o build/page.lock scripts/build_page.sh

page=host_tools/knocklet_tool/page.html
key=$(cat host_tools/page/* host_tools/page/.npmrc scripts/build_page.sh | sha256sum)
if [ -e $page ] && [ "$(cat build/page/complete 2>/dev/null)" = "$key" ]; then exit; fi

# The mark goes first and comes back last, so an interrupted build is done again.
rm -rf build/page
mkdir -p build/page
cp host_tools/page/package.json host_tools/page/package-lock.json host_tools/page/.npmrc build/page/
npm --prefix build/page ci --no-audit --no-fund >build/page/npm.log 2>&1 || {
    reason=$(grep -E '^npm (ERR!|error)' build/page/npm.log | grep -vE -m 1 ' (code|errno) ' | cut -c 1-300)
    echo "build: npm could not install what host_tools/page/package-lock.json pins: $reason" >&2
    exit 1
}

# For phones of some years ago, and not shortened: whoever wants to know what his phone runs can read it.
bundle() { NODE_PATH=build/page/node_modules build/page/node_modules/.bin/esbuild "$@" --bundle --target=es2020 --log-level=warning; }
bundle host_tools/page/page.js --format=iife --outfile=build/page/page.js
licence=build/page/node_modules/@noble/hashes/LICENSE   # its text goes with every copy
{ echo "/* Parts of this are @noble/hashes:"; cat $licence; echo "*/"; cat build/page/page.js; } >build/page/script.js
bundle host_tools/page/{knock,otp_ports,sealed_box}.js --format=esm --outdir=build/page/modules --out-extension:.js=.mjs   # for tests
sed -e '/^@STYLE@$/{' -e 'r host_tools/page/page.css' -e 'd' -e '}' \
    -e '/^@SCRIPT@$/{' -e 'r build/page/script.js' -e 'd' -e '}' host_tools/page/page.html >build/page/page.html
mv build/page/page.html $page
echo "$key" >build/page/complete
