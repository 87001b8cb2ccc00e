# SPDX-License-Identifier: GPL-2.0-only
# "make help" lists the targets.
KDIR ?= /lib/modules/$(shell uname -r)/build

all: module cli ## the module for KDIR (default: the running kernel), and the command-line tool

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

cli:
	$(MAKE) -C userspace-tools/espah

demo: ## two sites talk through a tunnel in a virtual machine (Linux 6.12)
	scripts/dependencies
	$(MAKE) -s cli
	scripts/vm 6.12 -- scripts/demo

test: ## install what is missing, build, run all tests
	scripts/dependencies
	$(MAKE) cli
	tests/run

clean: ## remove what was built here
	rm -rf build
	$(MAKE) -C userspace-tools/espah clean
	find module -name '*.o' -delete -o -name '*.ko' -delete -o -name '*.mod*' -delete -o -name '.*.cmd' -delete

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/'

.PHONY: all module cli demo test clean help
