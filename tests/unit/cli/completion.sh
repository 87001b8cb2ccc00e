#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The completion of bash, with an espah that lists what a module might have. tests/vm/cli.py completes with
# the real one.
#
# usage: completion.sh COMPLETION ESPAH

completion=$1 espah=$2
failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cat >"$dir/espah" <<'END'
#!/bin/sh
echo "$*" >>"${0%/*}/asked"
case $* in
*'sa list') cat <<'LIST'
in esp 0x00001001  198.51.100.7 -> 192.0.2.1  tunnel  aes256gcm16  reqid 7  label 'site b'
    packets 0  bytes 0  seq 0
out esp 0x00002001  192.0.2.1 -> 198.51.100.7  tunnel  aes256gcm16  reqid 7
    in esp 0x00009999  is no line of an SA
in ah 0x00003001  2001:db8::7 -> 2001:db8::1  transport  sha256  reqid 9
LIST
;;
*'policy list') printf 'ID  DIR  PRIO\n 3  out  1000\n12  in   1000\n    label 5\n' ;;
*algo) printf 'ALGORITHM  PROTO\naes256gcm16  esp\nsha256  ah\n' ;;
esac
END
chmod +x "$dir/espah"
PATH=$dir:$PATH
. "$completion"

completes() { # WANTED LINE: the last word of the line is completed; WANTED: sorted, or a word with + that must be there
	local wanted=$1 got
	local -a COMP_WORDS COMPREPLY=()
	read -r -a COMP_WORDS <<<"$2"
	[[ $2 == *' ' ]] && COMP_WORDS+=("")
	local COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_espah
	got=$(printf '%s\n' "${COMPREPLY[@]}" | grep -v '^--help$' | sort | xargs)
	case $wanted in
	+*) [[ " $got " == *" ${wanted#+} "* ]] ;;
	-*) [[ $got && " $got " != *" ${wanted#-} "* ]] ;;
	*) [[ $got == "$wanted" ]] ;;
	esac && { echo "ok cli completion of '$2': $wanted"; return; }
	echo "# $got"
	echo "not ok cli completion of '$2': $wanted"
	failed=1
}

# a command is completed, and commands may be shortened
for command in $("$espah" --help | sed -n 's/^  \([a-z][a-z]*\)  *[^ ].*/\1/p' | grep -v '^espah$'); do
	completes "+$command" 'espah '
done
completes policy 'espah pol'
completes 'add alloc' 'espah sa a'
completes list 'espah pol l'
completes '+label' 'espah pol a '
completes '' 'espah pol fl '
completes 'if-id in out' 'espah pol l '
completes '' 'espah flu in'
# what there is
completes '0x00001001 0x00002001 0x00003001' 'espah sa del spi '
completes '0x00001001 0x00003001' 'espah sa del in spi '
completes 0x00001001 'espah sa del in esp spi '
completes 192.0.2.1 'espah sa del in spi 0x1001 dst '
completes 192.0.2.1 'espah sa get in spi 0x00001001 dst '
completes '192.0.2.1 2001:db8::1' 'espah sa set in dst '
completes '198.51.100.7' 'espah sa l in esp src '
completes '7 9' 'espah sa list reqid '
completes '' 'espah sa add in spi '
completes '12 3' 'espah policy del id '
completes '7 9' 'espah policy add both any any protect tunnel 192.0.2.1 192.0.2.2 reqid '
completes 0x00002001 'espah capture out spi '
completes 198.51.100.7 'espah export wireshark file --show-keys out dst '
completes aes256gcm16 'espah sa add in tunnel '
completes sha256 'espah sa add in ah transport '
# a word that was typed is not offered again, but those of limits are
completes -spi 'espah sa del in spi 0x1001 '
completes +dst 'espah sa del in spi 0x1001 '
completes '+bytes' 'espah sa set in spi 0x1001 dst 192.0.2.1 soft bytes 5 hard '
completes -sa 'espah monitor sa '
completes 'bypass discard' 'espah default in bypass out '
# the module of the network namespace is asked
rm -f "$dir/asked"
completes 0x00002001 'espah -n gb sa del out spi '
if [[ $(<"$dir/asked") == '-n gb -w sa list' ]]; then
	echo "ok cli completion asks in the network namespace"
else
	echo "not ok cli completion asks in the network namespace"
	failed=1
fi
exit $failed
