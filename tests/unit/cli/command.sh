#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the command as far as possible without the module, and checks the exit status,
# the output stream, and the error message for each mistake.
#
# usage: command.sh ESPAH

espah=$1
failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# expect STATUS TEXT WORDS...: the command exits with STATUS and prints TEXT (stdout and stderr)
expect()
{
	status=$1 text=$2
	shift 2
	"$espah" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	name="espah $*: $status"
	if [ $got -ne "$status" ]; then
		echo "# exit status $got"; sed 's/^/# /' "$dir/err"
	elif [ "$text" ] && ! cat "$dir/out" "$dir/err" | grep -qF -- "$text"; then
		echo "# '$text' is not in:"; sed 's/^/# /' "$dir/out" "$dir/err"
	elif [ "$status" -eq 0 ] && [ -s "$dir/err" ]; then
		echo "# something on stderr"
	elif [ "$status" -ne 0 ] && { [ -s "$dir/out" ] || grep -qv '^espah: ' "$dir/err"; }; then
		echo "# something on stdout, or a line without 'espah: '"
	else
		echo "ok cli $name"
		return
	fi
	echo "not ok cli $name"
	failed=1
}

expect 0 'Exit status' --help
for command in sa policy link default show stats metrics explain doctor monitor capture export algo check apply save guard \
	reload flush version \
	'sa add' 'sa set' 'sa del' 'sa get' 'sa list' 'sa flush' 'sa alloc' 'sa export' 'sa import' 'policy add' \
	'policy replace' 'policy del' 'policy get' 'policy list' 'policy flush' 'link add' 'link set' 'link del' \
	'link show' 'link list'; do
	expect 0 'xample' $command --help
	expect 0 'xample' $command -h
done
# every command that there is, from the lists that the command prints, fits a terminal of 80 columns
commands=$("$espah" --help | sed -n 's/^  \([a-z][a-z]*\)  *[^ ].*/\1/p' | grep -v '^espah$')
[ "$(echo "$commands" | wc -l)" -ge 19 ] || { echo "not ok cli the list of commands"; failed=1; }
for command in '' $commands; do
	"$espah" $command --help >"$dir/help"
	[ "$command" ] && for sub in $("$espah" $command 2>&1 </dev/null |
			sed -n "s/^espah: a command must follow 'espah $command': \(.*\) (see .*/\1/p" | tr -d ,); do
		"$espah" $command $sub --help >>"$dir/help"
	done
	if [ -s "$dir/help" ] && ! grep -n '.\{81\}' "$dir/help"; then
		echo "ok cli help of espah $command within 80 columns"
	else
		echo "not ok cli help of espah $command within 80 columns"
		failed=1
	fi
done
expect 0 'alloc' sa help
expect 2 "did you mean 'policy'?" polciy list
expect 2 "did you mean 'list'?" sa lsit
expect 2 "may mean sa or show" s list
expect 2 "type it in full" f
expect 2 "type it in full" sa flus
expect 2 "'-z' is not an option" -z
expect 2 "did you mean '--json'?" --jsn
expect 2 "a value must follow" -n
expect 2 "cannot follow -b" -b x show
expect 2 "-f needs -b" -f show
expect 1 "/run/netns/no-such-name" -n no-such-name show
expect 1 "cannot be opened" -b "$dir/none"
expect 2 "one word too many for show" show all
expect 2 "did you mean 'firewall'?" doctor nat firewal
expect 2 "options such as -n and -j stand before it" doctor nat -j
expect 2 "'x' is not a word of flush" flush x
expect 2 "a value must follow" flush label
expect 2 "'owner' cannot be 'me'; it is one of: hand, file, daemon, xfrm" flush label 'charon*' owner me
expect 2 "'--watch' cannot be '0'" stats --watch 0
expect 2 "one word too many for stats" stats --watch 2 3
expect 2 "prints no JSON" -j stats --watch
expect 2 "needs -b" -w -f show
expect 2 "'if-id' cannot be 'x'" policy list if-id x
expect 2 "a value must follow" policy flush in if-id
expect 2 "'out' is one word too many for policy list" policy list in out
expect 2 "'direction' cannot be 'ni'" policy list ni
expect 2 "did you mean 'list'?" link lsit
expect 2 "link add also needs if-id" link add ipsec0
expect 2 "one word too many for link del" link del ipsec0 now
expect 2 "one word too many for link list" link list ipsec0
expect 0 '' link
expect 0 '[' -j link list
expect 1 "there is no network device 'nonsuch'" link show nonsuch
expect 1 "there is no network device 'nonsuch'" link set nonsuch up
expect 1 "'lo' is not a device of kind espah" link show lo
expect 1 "'lo' is not a device of kind espah" link del lo
expect 2 "needs an option to change" sa set in spi 0x1001 dst 192.0.2.1
expect 2 "comes right after the destination" explain 10.1.0.1 10.2.0.1 mark 1 tcp 443
expect 2 "'spi' cannot be 'x'" capture spi x
expect 2 "capture prints no JSON" -j capture
expect 2 "metrics prints no JSON" -j metrics
expect 2 "'-x' is not a file" metrics -x
expect 2 "one word too many for metrics" metrics "$dir/a" b
expect 1 'not loaded' metrics
expect 1 'not loaded' metrics "$dir/espah.prom"
expect 2 "needs a format" export
expect 2 "needs a format" export tshark "$dir/table"
expect 2 "a value must follow" export wireshark
expect 2 "comes right after 'wireshark'" export wireshark --show-keys "$dir/table"
expect 2 "add --show-keys" export wireshark "$dir/table" in
expect 2 "is not a word of export" export wireshark "$dir/table" both
expect 2 "a value must follow" sa export
expect 2 "comes right after 'export'" sa export --show-keys "$dir/sas"
expect 2 "is not a word of sa export" sa export "$dir/sas" both
expect 1 'not loaded' sa export "$dir/sas"
expect 1 'cannot be opened' sa import "$dir/none"
expect 2 "'ahead' cannot be '-1'" sa import "$dir/none" ahead -1
printf '# x\nformat 1\nend 0\n' >"$dir/sas"
expect 1 'not loaded' sa import "$dir/sas"
expect 1 'standard input ends early' sa import -
printf 'format 1\nsa add in spi 0x1001 dst 192.0.2.1\nend 1\n' >"$dir/sas"
expect 2 "$dir/sas:2: sa import also needs src" sa import "$dir/sas"
printf 'format 1\nend 1\n' >"$dir/sas"
expect 1 "$dir/sas:2: the file had 1 SAs, but has 0" sa import "$dir/sas"
printf 'sa import %s\n' "$dir/sas" >"$dir/batch"
expect 2 "sa import is not for batches" -b "$dir/batch"
# the file is no batch and no configuration file
expect 2 "$dir/sas:1: 'format' is not a command" -b "$dir/sas"
expect 2 "a line of a file begins with" check "$dir/sas"
head -c 100000 /dev/urandom >"$dir/sas"
"$espah" sa import "$dir/sas" >/dev/null 2>"$dir/err"
if [ $? -eq 2 ] && ! grep -q 'Sanitizer\|runtime error' "$dir/err"; then
	echo "ok cli random bytes for sa import"
else
	echo "not ok cli random bytes for sa import"
	failed=1
fi
expect 2 "did you mean 'icmp'?" default icpm discard
expect 2 "one of: in, out, icmp" default both discard
expect 2 "a default action is bypass or discard" default icmp protect
expect 2 "'icmp' is given twice" default icmp discard icmp bypass

printf '# nothing\n\n   # here\n' >"$dir/empty"
expect 0 '' -b "$dir/empty"
printf '\n\nsa list spi 5\nfoo\n' >"$dir/batch"
expect 2 "$dir/batch:3: 'spi' cannot be '5'" -b "$dir/batch"
expect 1 "$dir/batch:4: 'foo' is not a command" -f -b "$dir/batch"
printf 'link del lo\nlink show nonsuch\n' >"$dir/batch"
expect 1 "$dir/batch:1: 'lo' is not a device of kind espah" -b "$dir/batch"
expect 1 "$dir/batch:2: there is no network device 'nonsuch'" -f -b "$dir/batch"
printf 'sa list "open\n' >"$dir/batch"
expect 2 "$dir/batch:1: this line opens a quote" -b "$dir/batch"
printf 'sa list\0\nfoo\n' >"$dir/batch"
expect 2 "a zero byte" -b "$dir/batch"
expect 1 "$dir/batch:2: 'foo' is not a command" -f -b "$dir/batch"
printf 'sa add in spi 0x1001 dst 192.0.2.1 key 01\n' >"$dir/batch"
chmod 644 "$dir/batch"
expect 2 "can be read by everybody" -b "$dir/batch"
head -c 100000 /dev/urandom >"$dir/batch"
"$espah" -f -b "$dir/batch" >/dev/null 2>"$dir/err"
if [ $? -eq 1 ] && ! grep -q 'Sanitizer\|runtime error' "$dir/err"; then
	echo "ok cli a batch of random bytes"
else
	echo "not ok cli a batch of random bytes"
	failed=1
fi

# configuration files: check needs neither the module nor a device
mkdir "$dir/conf.d" "$dir/keys"
for key in in out router.in router.out; do
	(umask 077; head -c 36 /dev/urandom | od -An -v -tx1 >"$dir/keys/$key")
done
conf=$dir/espah.conf
cat >"$conf" <<END
# a gateway
default in discard out discard
config direct on
link add ipsec0 if-id 42 up
sa add in spi 0x1001 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key-file keys/in label 'site b'
sa add out spi 0x2001 src 192.0.2.1 dst 198.51.100.7 tunnel aes256gcm16 key-present
policy add both 10.1.0.0/16 10.2.0.0/16 protect tunnel 192.0.2.1 198.51.100.7
policy add in any4 any dev ppp77 bypass
include conf.d/*.conf
END
expect 0 "$conf: 2 SAs, 3 policies, 1 devices" check "$conf"
expect 0 "$conf: 2 SAs" chec "$conf"
echo 'policy add out 10.9.0.0/16 any bypass' >"$dir/conf.d/a.conf"
echo 'sa add in spi 0x1002 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key-file ../keys/out' >"$dir/conf.d/b.conf"
expect 0 "$conf: 3 SAs, 4 policies, 1 devices" check "$conf"
expect 1 'not loaded' apply "$conf"
expect 1 'not loaded' apply --dry-run "$conf"
expect 1 'not loaded' save
# the example of the man page
sed -n '/^# .etc.espah.espah.conf/,/^\.EE/{/^\.EE/d; s/\\-/-/g; p}' "${espah%/*}/espah.conf.5" >"$dir/example.conf"
expect 0 "$dir/example.conf: 3 SAs, 17 policies, 1 devices" check "$dir/example.conf"

# all errors are printed, with line and column
cat >"$conf" <<END
policy add out 10.8.0.0/16 any bypass
  polcy add out 10.8.0.0/16 any bypass
policy add out 10.8.0.0/16 any bypas
policy del out 10.8.0.0/16 any
sa flush
policy add out any any bypass
policy add both 10.1.0.0/99 any bypass
sa add in spi 5 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key-file keys/in
default
default in discard
default out bypass in bypass
link add ipsec0
explain 10.1.1.1 10.2.2.2
policy --help
policy add 'out
include espah.conf
END
for error in "2:3: a line of a file begins with sa, policy, link, default, config or include, not with 'polcy'; did you mean 'policy'?" \
	"3:32: 'bypas' is not a word of policy add; did you mean 'bypass'?" "4:8: a file says what is to be there" \
	"5:4: a file says what is to be there" "6:24: " "7:17: the source '10.1.0.0/99'" "8:15: 'spi' cannot be '5'" \
	"9:1: more words must follow 'default'" "11:23: an earlier line sets this to another value" \
	"12:10: link add also needs if-id" "13:1: a line of a file begins with" "14:8: '--help' is not for files" \
	"15: this line opens a quote" "16:9: " "this is a circle"; do
	expect 2 "$error" check "$conf"
done
expect 2 "$conf:7:17: the source '10.1.0.0/99'" apply "$conf"
expect 2 "$conf:7:17: the source '10.1.0.0/99'" apply --dry-run "$conf"
printf 'policy add out 10.8.0.0/16 any bypass\ninclude b.conf\n' >"$conf"
echo 'policy add out any 10.8.0.0/16 discard' >"$dir/b.conf"
expect 0 "$conf: 0 SAs, 2 policies" check "$conf"
echo 'policy add out src 10.8.0.0/16 dst any priority 1000 discard' >"$dir/b.conf"
expect 2 "$dir/b.conf:1: $conf:1 has this already: policy out 10.8.0.0/16 any" check "$conf"
# a file that cannot be read is 1, whatever else is wrong
printf 'polcy\ninclude none.conf\n' >"$conf"
expect 1 "$conf:2:9: there is no file $dir/none.conf" check "$conf"
expect 1 "$conf:1:1: " check "$conf"
echo 'sa add in spi 0x1001 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key-file none' >"$conf"
expect 1 "key file $dir/none cannot be opened" check "$conf"
expect 1 "$dir/none cannot be opened" check "$dir/none"
expect 1 "$dir cannot be opened: Is a directory" check "$dir"
printf 'policy add out any any6 bypass\0\n' >"$conf"
printf 'policy add out any4 any vrf nonsuch9 protect tunnel 192.0.2.1 198.51.100.7\n' >"$dir/absent"
printf 'check %s\nlink add ipsec9 if-id 9 dev nonsuch9\n' "$dir/absent" >"$dir/batch"
"$espah" -b "$dir/batch" >"$dir/out" 2>"$dir/err" </dev/null
if grep -q "batch:2: there is no network device 'nonsuch9'" "$dir/err"; then
	echo "ok cli a check in a batch leaves later lines as strict as they are"
else
	echo "not ok cli a check in a batch leaves later lines as strict as they are"; sed 's/^/# /' "$dir/err"
	failed=1
fi
expect 2 "a zero byte" check "$conf"
head -c 100000 /dev/urandom >"$conf"
expect 2 "$conf:1:" check "$conf"
expect 0 '0 SAs, 0 policies, 0 devices' check -
expect 2 "'b' is one word too many for check" check a b
expect 2 "'--dry-run' is not a word of check" check --dry-run "$conf"
expect 2 "'b' is one word too many for apply" apply a --dry-run b
expect 2 "'--dryrun' is not a word of apply" apply --dryrun
expect 2 "'x' is one word too many for save" save x
expect 0 'delete table inet espah_guard' guard --remove
expect 0 'table inet espah_guard {' guard -
expect 2 "'x' is one word too many for guard" guard --remove x
expect 2 "'b' is one word too many for guard" guard a b
expect 2 "'--removed' is not a word of guard" guard --removed
expect 2 'guard prints no JSON' -j guard -
expect 1 "$dir/none cannot be opened" guard "$dir/none"
expect 2 "type it in full" reloa
expect 2 "'--forced' is not a word of reload" reload --forced
expect 2 "'-' is not a word of reload" reload -
expect 2 "'b' is one word too many for reload" reload a b
expect 2 'reload prints no JSON' -j reload
expect 1 'the kernel module is not loaded' reload "$dir/none"
echo "apply $dir/b.conf" >"$dir/batch"
expect 2 "$dir/batch:1: apply is not for batches" -b "$dir/batch"
echo "guard $dir/b.conf" >"$dir/batch"
expect 2 "$dir/batch:1: guard is not for batches" -b "$dir/batch"
echo "reload $dir/b.conf" >"$dir/batch"
expect 2 "$dir/batch:1: reload is not for batches" -b "$dir/batch"
expect 2 "'key-present' is for files" sa add in spi 0x1001 src 198.51.100.7 dst 192.0.2.1 tunnel aes256gcm16 key-present

# a closed output is an error
if "$espah" --help >/dev/full 2>"$dir/err"; then
	echo "not ok cli output to a full device"
	failed=1
else
	echo "ok cli output to a full device"
fi
# habits of other tools
for words in 'sa ls' 'sa show' 'policy ls' 'policy show'; do expect 1 'not loaded' $words; done
expect 2 'sa del also needs' sa delete
expect 2 'sa del also needs' sa rm
expect 2 'sa set also needs' sa update
expect 2 'policy del also needs' policy rm
expect 2 'policy replace also needs' policy update
expect 2 'must follow' sa
expect 2 'add, replace, del' policy
expect 0 'xample' help show
expect 0 'xample' help sa
expect 0 'xample' help sa add
expect 0 'xample' sa help add
expect 2 "'nonsense' is not a command" help nonsense
expect 2 'espah -j ... show' show -j
expect 2 'espah -n NETNS ... stats' stats -n gb
expect 2 "not the option '-b'" -n -b file
for words in '-nnosuch' '--netns=nosuch' '-jnnosuch'; do expect 1 "'nosuch' cannot be opened" "$words" show; done
expect 1 "'nosuch' cannot be opened" -jn nosuch show
expect 2 "'-x' is not an option" -jx show
P='policy add both 10.1.0.0/16 10.2.0.0/16'
expect 2 "did you mean 'priority'" $P prio 10 bypass
expect 2 "did you mean 'dport'" $P tcp port 443 bypass
expect 2 "did you mean 'reqid'" $P req 7 bypass
expect 2 'are for forwarded packets, too' policy add fwd 10.1.0.0/16 10.2.0.0/16 bypass
expect 1 'not loaded' policy add both src 10.1.0.0/16 dst 10.2.0.0/16 bypass
expect 2 'the source' policy add both src dst bypass
expect 2 'IPv4 packets carry no icmpv6' $P icmpv6 bypass
expect 2 'IPv6 packets carry no icmp, but icmpv6' policy add both fd01::/16 fd02::/16 icmp type 8 discard
expect 2 'write the IPv4 address' policy add both ::ffff:10.1.0.1 fd02::/16 bypass
expect 2 'write the IPv4 address' explain ::ffff:10.1.0.1 fd02::1
expect 2 'right after tunnel or transport' sa add out spi 5000 src 192.0.2.1 dst 192.0.2.2 aes256gcm16 tunnel
expect 2 'an SA is named by' sa del id 1
expect 2 "'type 8'" explain 10.1.0.1 10.2.0.1 icmp 8
if grep -q '^https[[:space:]]' /etc/services 2>/dev/null; then # of the package netbase
	expect 2 'ports are numbers: http is 80' explain 10.1.0.1 10.2.0.1 tcp http
	expect 2 'ports are numbers: https is 443' $P tcp dport https bypass
fi
expect 2 'a port or a range' $P tcp dport htttps bypass
expect 2 "'bogus' is not a word of explain" explain 10.1.0.1 10.2.0.1 tcp bogus
expect 1 "no network device 'nonsuch9'" explain 10.1.0.1 10.2.0.1 dev nonsuch9
expect 1 "no network device 'nonsuch9'" sa list vrf nonsuch9
expect 1 "no network device 'nonsuch9'" policy add out any4 any protect tunnel 192.0.2.1 192.0.2.2 vrf nonsuch9
expect 2 "not 'tunnle'" policy add out any4 any protect tunnle
expect 1 'not loaded' explain --check 10.1.0.1 10.2.0.1
expect 1 'not loaded' algo gcm
expect 2 'cannot follow the command' algo --all

# what is known without the module needs neither it nor privilege
expect 0 'no module is loaded' version
expect 0 '"module": null' -j version
reasons=$(sed -n 's/^\tX([A-Z0-9_]*, "\([a-z_]*\)".*/\1/p' "$(dirname "$0")/../../../module/db/reason_list.h")
[ "$(echo "$reasons" | wc -l)" -ge 50 ] || { echo "not ok cli the list of drop reasons"; failed=1; }
for reason in $reasons; do expect 0 "$reason: " explain reason "$reason"; done
expect 0 'icv: the integrity check failed.' explain reason icv
expect 0 '"text": "the integrity check failed"' -j explain reason icv
expect 2 "did you mean 'replay'?" explain reason relpay
echo monitor >"$dir/batch"
expect 2 "$dir/batch:1: monitor is not for batches" -b "$dir/batch"
printf '\357\273\277sa list\n' >"$dir/batch"
expect 2 "$dir/batch:1: the file begins with a byte order mark" -b "$dir/batch"
printf '\357\273\277policy add out any4 any bypass\n' >"$conf"
expect 2 "$conf:1: the file begins with a byte order mark" check "$conf"
printf '\377\376p\0' >"$conf"
expect 2 "$conf:1: the file begins with a byte order mark" check "$conf"

# in a terminal of 40 columns
if COLUMNS=40 "$espah" explain reason redirect | grep -q '.\{41\}'; then
	echo "not ok cli text that fits the terminal"
	failed=1
else
	echo "ok cli text that fits the terminal"
fi
expect 2 '\x1b[31mx' "$(printf '\033[31mx')"
expect 2 '\xe2\x80\xaex\xc2\x9b' "$(printf '\342\200\256x\302\233')"
expect 2 "'grün €' is not" 'grün €'

exit $failed
