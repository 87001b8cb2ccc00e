# SPDX-License-Identifier: GPL-2.0-only
# "make help" lists the targets.
KDIR ?= /lib/modules/$(shell uname -r)/build
MODPROBEDIR ?= /etc/modprobe.d
RELEASE = $(shell $(MAKE) -s --no-print-directory -C $(KDIR) kernelrelease)

all: module cli ## the module for KDIR (default: the running kernel), and the command-line tool

module:
	@test -e "$(KDIR)/Makefile" || { echo "There are no kernel headers in $(KDIR): install the package linux-headers-$$(uname -r), or name another folder by KDIR=" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

cli:
	$(MAKE) -C userspace-tools/espah
	$(MAKE) -C userspace-tools/iproute2

strongswan: ## the plugin that lets strongSwan's charon drive espah
	$(MAKE) -C userspace-tools/strongswan

demo: ## two sites talk through a tunnel in a virtual machine (Linux 6.12)
	scripts/dependencies
	$(MAKE) -s cli
	scripts/vm 6.12 -- scripts/demo

demo-ike: ## strongSwan keys two gateways, with espah and XFRM, in a virtual machine
	scripts/dependencies
	$(MAKE) -s cli strongswan
	ESPAH_STRONGSWAN=$$(scripts/strongswan) scripts/vm 6.12 -- scripts/demo-ike

test: ## install what is missing, build, run all tests
	scripts/dependencies arch deb
	$(MAKE) -s cli strongswan
	tests/run

test-all: ## make test, then the hostile suites for longer and on a debugging kernel (some hours)
	scripts/dependencies arch deb
	$(MAKE) -s cli strongswan
	tests/run all

debug-kernel: ## a kernel with KASAN, lockdep and kmemleak, for scripts/vm debug (20 minutes of processor time)
	scripts/dependencies
	scripts/debug-kernel

hunt: ## look for faults on debugging kernels, HUNT_MINUTES=20 on each: KASAN and lockdep, then data races (KCSAN)
	scripts/dependencies
	$(MAKE) -s cli
	tests/hunt

fuzz: ## libFuzzer over what reads packets, selectors and words, FUZZ_SECONDS=60 for each harness
	scripts/dependencies
	$(MAKE) -s -C tests/fuzz fuzz

bench: ## measure espah against XFRM and WireGuard: build/bench/results.md, .json and plots
	scripts/dependencies bench
	$(MAKE) -s cli
	scripts/bench

deb: ## Debian packages in build/deb, SUITE=bookworm or trixie: whose strongSwan the plugin is for
	scripts/dependencies deb
	scripts/deb $(SUITE)

test-package: ## build the packages, install, upgrade and purge them in Debian 12, also in a booted image (half an hour)
	$(MAKE) -s deb SUITE=bookworm
	scripts/test-package

variants: ## build with clang, and for kernels without XFRM, br_netfilter, unloading and more (half an hour)
	scripts/dependencies variants
	scripts/variants

kernels-to-come: ## build for the newest kernel of Debian's sid, experimental and backports, if it is newer
	scripts/dependencies
	scripts/kernels-to-come

mutants: ## break the module in many ways, and list what no test noticed, MUTANTS=words for some (two hours)
	scripts/dependencies
	$(MAKE) -s cli
	tests/mutants/run $(MUTANTS)

check: ## build with all warnings and sparse, hold files against their layers, run checkpatch.pl
	scripts/dependencies
	scripts/check

install: module cli ## module for KDIR, command, man page, completion, plugin of ip (DESTDIR, PREFIX, IPLIBDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH="$(DESTDIR)") \
		CONFIG_MODULE_SIG_ALL= modules_install
	$(if $(DESTDIR),,PATH=$$PATH:/sbin depmod $(RELEASE))
	$(MAKE) -C userspace-tools/espah install
	$(MAKE) -C userspace-tools/iproute2 install
	test -e "$(DESTDIR)$(MODPROBEDIR)/espah_xfrm.conf" || \
		install -D -m 0644 userspace-tools/xfrm/espah_xfrm.conf "$(DESTDIR)$(MODPROBEDIR)/espah_xfrm.conf"

uninstall: ## undo install
	find "$(DESTDIR)/lib/modules/"$(or $(RELEASE),$(error no kernel headers in $(KDIR))) \( -name 'espah.ko*' -o -name 'espah_xfrm.ko*' \) -delete
	$(if $(DESTDIR),,PATH=$$PATH:/sbin depmod $(RELEASE))
	$(MAKE) -C userspace-tools/espah uninstall
	$(MAKE) -C userspace-tools/iproute2 uninstall
	! cmp -s userspace-tools/xfrm/espah_xfrm.conf "$(DESTDIR)$(MODPROBEDIR)/espah_xfrm.conf" || \
		rm "$(DESTDIR)$(MODPROBEDIR)/espah_xfrm.conf"

clean: ## remove what was built here
	rm -rf build
	$(MAKE) -C userspace-tools/espah clean
	$(MAKE) -C userspace-tools/iproute2 clean
	$(MAKE) -C userspace-tools/strongswan clean STRONGSWAN=
	find module -name '*.o' -delete -o -name '*.ko' -delete -o -name '*.mod*' -delete -o -name '.*.cmd' -delete
	rm -f Module.symvers modules.order .*.cmd

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

.PHONY: all module cli strongswan demo demo-ike test test-all debug-kernel hunt fuzz bench deb test-package variants kernels-to-come mutants check install uninstall clean help
