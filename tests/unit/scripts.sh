#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The scripts on a machine that lacks what they need: each says so in one sentence, and makes nothing.
cd "$(dirname "$0")/../.." || exit
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
failed=0

# What every system has: no compiler, no make, no dpkg, no apt, no QEMU.
mkdir "$dir/bin" "$dir/debian" "$dir/home"
for program in awk basename bash cat cksum cmp cp cut date dd dirname env find flock git grep head id ln ls mkdir \
	mktemp mv nproc od perl ps readlink realpath rm sed setpriv sh sleep sort stat tail tee timeout touch tr tsort \
	uname wc xargs; do
	path=$(type -P $program) && ln -s "$path" "$dir/bin/"
done
# A Debian where all packages are installed, but not where the programs are looked for
cp -a "$dir/bin/." "$dir/debian/"
cat >"$dir/debian/dpkg-query" <<'END'
#!/bin/sh
for package; do echo "$package installed"; done
END
chmod +x "$dir/debian/dpkg-query"

lacks() { # FOLDER TEXT SCRIPT ARGUMENTS...: a sentence that contains TEXT, and nothing else
	local folder=$1 text=$2 status name="scripts: $3 without its programs"
	shift 2
	[[ $folder == debian ]] || name+=" and without dpkg"
	env -i PATH="$dir/$folder" HOME="$dir/home" ESPAH_CACHE="$dir/cache" \
		bash "scripts/$@" </dev/null >"$dir/out" 2>"$dir/err"
	status=$?
	if ((status)) && [[ ! -s $dir/out ]] && (($(wc -l <"$dir/err") == 1)) && grep -q '^scripts/' "$dir/err" &&
		grep -qF -- "$text" "$dir/err" && [[ -z $(find "$dir/cache" -type f -size +0 2>/dev/null) ]]; then
		echo "ok $name"
	else
		sed 's/^/# /' "$dir/out" "$dir/err"
		echo "not ok $name: status $status"
		failed=1
	fi
}

# some of these programs are in /usr/sbin, where scripts/dependencies looks, too
lacks debian make bench
lacks debian qemu-system-x86_64 vm 6.12 -- true
lacks debian qemu-system-s390x vm --arch s390x 6.1 -- true
lacks debian dpkg kernel 6.12
lacks debian "give one of" kernel --arch z80 6.12
lacks debian dpkg kernel --source 6.12
lacks debian gcc profile 6.12
lacks debian gcc-12 build-module 6.12
lacks debian s390x-linux-gnu-gcc-12 build-module --arch s390x 6.1
lacks debian gcc-12 check
lacks debian gcc judges
lacks debian mmdebstrap guest-root s390x
lacks debian usage: guest-root amd64-rt
lacks debian s390x-linux-gnu-gcc-12 build-cli s390x
lacks debian "no mirror of none" mirror none
lacks debian dpkg frr
lacks debian dpkg libreswan
lacks debian make strongswan
lacks debian dpkg-buildpackage deb
lacks debian flex debug-kernel
lacks debian 'make demo-ike' demo-ike
lacks debian 'make demo' demo-words
lacks debian "'make demo'" demo
lacks debian build-module layers "$dir/none"
lacks debian usage: layers
lacks debian usage: profile
lacks debian usage: build-module
[[ -e build/deb/bookworm || $EUID -ne 0 ]] || lacks debian "'make test-package'" test-package
lacks bin 'needs a Debian 12 system' vm 6.12 -- true
lacks bin 'needs a Debian 12 system' frr
lacks bin 'needs a Debian 12 system' iproute2
lacks bin 'needs a Debian 12 system' dependencies

# make without kernel headers
make module KDIR="$dir/none" >"$dir/out" 2>"$dir/err" </dev/null
if (($?)) && grep -q '^There are no kernel headers in .*: install the package linux-headers-.*KDIR=' "$dir/err"; then
	echo "ok scripts: make without kernel headers names their package"
else
	sed 's/^/# /' "$dir/err"
	echo "not ok scripts: make without kernel headers names their package"
	failed=1
fi
exit $failed
