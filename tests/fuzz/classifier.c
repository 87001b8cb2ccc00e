// SPDX-License-Identifier: GPL-2.0-only
/* The classifier against a list of all rules; the input replaces random numbers. */
#include <stdio.h>
#include "rules.h"
#include "fuzz.h"

static struct input input;
static struct model model;

uint64_t random64(void)
{
	return take_number(&input, 8);
}

uint32_t below(uint32_t n)
{
	return take_number(&input, n <= 256 ? 1 : 4) % n;
}

void fail(const char *why, ...)
{
	__builtin_trap();
}

static void compare(void)
{
	struct espah_flow flow = random_flow(&model, 4);
	struct espah_rule *rule;

	rcu_read_lock();
	rule = espah_classify(&model.cls, &flow, ESPAH_SET_A);
	rcu_read_unlock();
	EXPECT(rule == best_of(&model, &flow, ESPAH_SET_A));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct espah_rule *old, *new;
	unsigned int i;

	input = (struct input){ data, size };
	memset(&model.cls, 0, sizeof(model.cls));
	model.count = model.order = 0;
	while (input.size) {
		switch (below(8)) {
		case 0:
		case 1:
		case 2:
			add_rule(&model, random_selector(4, 10), below(4));
			break;
		case 3:
			if (model.count)
				del_rule(&model, below(model.count));
			break;
		case 4:
			if (!model.count)
				break;
			i = below(model.count);
			old = model.rules[i];
			new = new_rule(old->sel, old->priority, 1000000);
			espah_classifier_replace(&model.cls, old, new);
			free(old);
			model.rules[i] = new;
			break;
		default:
			compare();
		}
	}
	clear(&model);
	return 0;
}
