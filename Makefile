# SPDX-License-Identifier: GPL-2.0-only
# "make help" lists the targets.
KDIR ?= /lib/modules/$(shell uname -r)/build

all: module cli ## the module for KDIR (default: the running kernel), and the command-line tool

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

cli:
	$(MAKE) -C userspace-tools/espah

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

.PHONY: all module cli test clean help
