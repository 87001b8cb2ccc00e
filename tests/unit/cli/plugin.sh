#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Lets the installed ip use our plugin, as far as possible without the module: ip finds it, and it
# prints its own sentences. What the plugin accepts reaches the kernel, which refuses it.
#
# usage: plugin.sh FOLDER

IP_LIB_DIR=$1
export IP_LIB_DIR
failed=0

# expect TEXT WORDS...: 'ip link WORDS' prints TEXT (stdout or stderr)
expect()
{
	text=$1
	shift
	out=$(unshare -rn ip link "$@" 2>&1)
	case $out in
	*"$text"*) echo "ok plugin ip link $*" ;;
	*)
		printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok plugin ip link $*"
		failed=1
		;;
	esac
}

if ! unshare -rn ip link >/dev/null 2>&1; then
	echo "skip plugin: there is no ip, or no network namespace for it"
	exit 0
fi
expect 'if_id N [ dev LINK ]' help espah
expect '"if_id" cannot be "abc"' add x type espah if_id abc
expect 'no network device "nonsuch"' add x type espah if_id 5 dev nonsuch
expect 'is on or off' add x type espah if_id 5 carrier 1
expect '"bogus" is not an option' set lo type espah bogus 5
grep -qs '^espah ' /proc/modules ||
	expect 'Unknown device type' add x type espah if_id 5 dev lo carrier on
exit $failed
