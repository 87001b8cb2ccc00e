#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs and removes the command, and checks its manual pages: that all are installed, that groff and man
# have no complaint, that each has a name for whatis, and that the pages they refer to exist.
#
# usage: pages.sh FOLDER-OF-THE-COMMAND

folder=$1
failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

check() # NAME: prints the result of the last command, and what it wrote into $dir/log
{
	if [ $? -eq 0 ] && ! [ -s "$dir/log" ]; then
		echo "ok cli $1"
	else
		sed 's/^/# /' "$dir/log"
		echo "not ok cli $1"
		failed=1
	fi
}

install() { make -s --no-print-directory -C "$folder" "$1" DESTDIR="$dir/root" PREFIX=/usr >"$dir/log" 2>&1; }
files() { (cd "$dir/root" && find . -type f | sort); }

install install
check "make install"
for page in "$folder"/*.[1-9]; do
	name=${page##*/}
	section=${name##*.}
	cmp "$page" "$dir/root/usr/share/man/man$section/$name" >"$dir/log" 2>&1
	check "make install installs $name"
	groff -ww -man -Tutf8 "$page" 2>"$dir/log" >/dev/null
	check "$name: groff"
	LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>"$dir/log" >/dev/null
	check "$name: man"
	: >"$dir/log"
	lexgrog "$page" 2>&1 | grep -F "\"${name%.*} - " >/dev/null || echo "no name" >"$dir/log"
	check "$name: whatis"
	sed -n 's/^\.BR \(espah[a-z.\\-]*\) (\([0-9]\)).*/\1.\2/p' "$page" | tr -d '\\' | sort -u |
		while read -r other; do [ -e "$folder/$other" ] || echo "$other does not exist"; done >"$dir/log"
	check "$name: the pages of espah that it names exist"
done
install uninstall
files >>"$dir/log"
check "make uninstall leaves nothing"
exit $failed
