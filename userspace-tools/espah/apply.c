// SPDX-License-Identifier: GPL-2.0-only
/* espah check, apply, save: a file that says how it should be. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "change.h"
#include "compare.h"
#include "print.h"
#include "queue.h"
#include "settings.h"
#include "spell.h"

/* exit status of a dry run that finds differences */
#define STATUS_DIFFERS 3

const char check_help[] =
	"espah check [FILE]\n"
	"\n"
	"Reads a configuration file and those that it includes, and tells all errors with\n"
	"line and column (default " CONF_DEFAULT ", '-' is standard input).\n"
	"Sends nothing, and needs neither root nor the module; key files are read. What\n"
	"only the kernel can know is not checked: whether it has the algorithm, and that\n"
	"the key has its length.\n"
	"\n"
	"Example:\n"
	"  espah check site.conf\n";

const char apply_help[] =
	"espah apply [--dry-run] [FILE]\n"
	"\n"
	"Makes things as a configuration file says (default " CONF_DEFAULT ", '-' is\n"
	"standard input; see espah.conf(5)): adds, changes and removes what is the\n"
	"file's. What was made by hand or by a daemon stays, and is counted; if it is in\n"
	"the way, nothing changes. What is there already stays as it is, with its\n"
	"counters. Policies and default actions change in one moment: a packet meets all\n"
	"old ones or all new ones. SAs and devices are added before and removed after. If\n"
	"the kernel refuses something, what was done is undone.\n"
	"  --dry-run   changes nothing, and prints what would change: + added, - removed,\n"
	"              ~ changed. Exit status 0: nothing, 3: something\n"
	"\n"
	"Example:\n"
	"  espah apply --dry-run && espah apply\n";

const char save_help[] =
	"espah save\n"
	"\n"
	"Prints what there is, but for what daemons made, as a configuration file; never\n"
	"keys: of SAs it says key-present, which stands for the key that the SA has while\n"
	"it exists.\n"
	"\n"
	"Example:\n"
	"  espah save > " CONF_DEFAULT "\n";

/* Reads [--dry-run] [FILE]. @dry: NULL: not taken. Return: a STATUS_* */
static int read_words(struct args *args, const char *command, bool *dry, const char **file)
{
	const char *word;

	*file = NULL;
	while ((word = args_peek(args))) {
		if (dry && (!strcmp(word, "--dry-run") || !strcmp(word, "-n"))) {
			*dry = true;
		} else if (!*file && *word == '-' && word[1]) {
			error("'%s' is not a word of %s (see 'espah %s --help')", word, command, command);
			return STATUS_USAGE;
		} else if (*file) {
			return args_end(args, command);
		} else {
			*file = word;
		}
		args_next(args);
	}
	if (!*file)
		*file = CONF_DEFAULT;
	return STATUS_OK;
}

/** cmd_check() - espah check */
int cmd_check(struct cli *cli, struct args *args)
{
	struct conf conf;
	const char *file;
	int status = read_words(args, "check", NULL, &file);

	if (status)
		return status;
	status = conf_read(cli, file, true, &conf);
	if (!status && cli->json)
		json_print(json_pack("{s:I,s:I,s:I}", "sas", (json_int_t)conf.things[THING_SA].count,
				     "policies", (json_int_t)conf.things[THING_POLICY].count,
				     "links", (json_int_t)conf.things[THING_LINK].count));
	else if (!status)
		printf("%s: %zu SAs, %zu policies, %zu devices\n", file,
		       conf.things[THING_SA].count, conf.things[THING_POLICY].count,
		       conf.things[THING_LINK].count);
	conf_free(&conf);
	return status;
}

/* --- telling --- */

/**
 * struct told - what is told about an application
 * @json: arrays by sign; NULL: print lines
 * @quiet: only count
 * @count: things that were added, changed, removed
 */
struct told {
	json_t *json;
	bool quiet;
	unsigned int count[3];
};

static const struct {
	char sign;
	const char *name;
} signs[] = { { '+', "added" }, { '~', "changed" }, { '-', "removed" } };

enum { ADDED, CHANGED, REMOVED };

static void tell(struct told *told, unsigned int sign, const char *text)
{
	told->count[sign]++;
	if (told->json)
		json_array_append_new(json_object_get(told->json, signs[sign].name),
				      json_string(text));
	else if (!told->quiet)
		printf("%c %s\n", signs[sign].sign, text);
}

static void tell_things(struct told *told, const struct conf *conf, const struct state *state)
{
	unsigned int kind;
	size_t i;

	for (kind = 0; kind < THING_KINDS; kind++) {
		for (i = 0; i < state->things[kind].count; i++)
			if (state->things[kind].at[i].verdict == VERDICT_REMOVE)
				tell(told, REMOVED, state->things[kind].at[i].text);
		for (i = 0; i < conf->things[kind].count; i++) {
			const struct thing *thing = &conf->things[kind].at[i];

			if (thing->verdict == VERDICT_ADD)
				tell(told, ADDED, thing->text);
			else if (compare_changes(thing))
				tell(told, CHANGED, thing->text);
		}
	}
}

static void tell_settings(struct told *told, const uint8_t *value, uint32_t which)
{
	const struct setting *setting;
	char text[64];

	for (setting = settings; setting->command; setting++) {
		if (!(which & 1U << setting->attr))
			continue;
		snprintf(text, sizeof(text), "%s %s %s", setting->command, setting->name,
			 setting_word(setting, value[setting->attr]));
		tell(told, CHANGED, text);
	}
}

static unsigned int count_left(const struct things *things)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < things->count; i++)
		n += things->at[i].verdict == VERDICT_LEAVE;
	return n;
}

static void tell_left(const struct told *told, const struct state *state)
{
	unsigned int sas = count_left(&state->things[THING_SA]);
	unsigned int policies = count_left(&state->things[THING_POLICY]);
	unsigned int links = count_left(&state->things[THING_LINK]);

	if (told->json)
		json_set(told->json, "left", json_pack("{s:i,s:i,s:i}", "sas", sas, "policies",
						       policies, "links", links));
	else if (sas || policies || links)
		printf("not of the file, and left as they are: %u SAs, %u policies, %u devices\n",
		       sas, policies, links);
}

/* --- applying --- */

static void tell_all(struct told *told, const struct conf *conf, const struct state *state)
{
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	uint32_t which = compare_settings(conf, state, value, false);

	tell_settings(told, value, which);
	tell_things(told, conf, state);
}

static int apply(struct cli *cli, const struct conf *conf, const struct state *state)
{
	struct undo undo = { 0 };
	int status = change_before(cli, conf, state, &undo);

	if (!status)
		status = change_policies(cli, conf, state);
	if (status)
		undo_all(&undo);
	else
		status = change_after(cli, conf, state);
	undo_free(&undo);
	return status;
}

static int apply_file(struct cli *cli, const char *file, bool dry)
{
	struct told told = { .quiet = !dry };
	struct state state = { 0 };
	struct conf conf;
	bool differs;
	/* a dry run does without the devices that are named */
	int status = conf_read(cli, file, dry, &conf);

	if (!status)
		status = state_read(cli, "apply", true, &state);
	if (!status && state.no_keys)
		warning("the kernel is locked down and shows no keys, so an SA with another key counts as unchanged");
	if (!status)
		status = compare(&conf, &state);
	if (status)
		goto out;
	if (cli->json)
		told.json = json_pack("{s:[],s:[],s:[]}", "added", "changed", "removed");
	tell_all(&told, &conf, &state);
	differs = told.count[ADDED] || told.count[CHANGED] || told.count[REMOVED];
	if (!dry)
		status = apply(cli, &conf, &state);
	if (!status && !dry && !told.json)
		printf("%s: added %u, changed %u, removed %u\n", file, told.count[ADDED],
		       told.count[CHANGED], told.count[REMOVED]);
	if (!status) {
		tell_left(&told, &state);
		if (told.json)
			json_print(told.json);
		told.json = NULL;
	}
	json_decref(told.json);
	if (!status && dry && differs)
		status = STATUS_DIFFERS;
out:
	conf_free(&conf);
	state_free(&state);
	return status;
}

/** cmd_apply() - espah apply */
int cmd_apply(struct cli *cli, struct args *args)
{
	const char *file;
	bool dry = false;
	int status = read_words(args, "apply", &dry, &file);

	if (status)
		return status;
	if (cli->batch) {
		error("apply is not for batches");
		return STATUS_USAGE;
	}
	return apply_file(cli, file, dry);
}

/* --- saving --- */

/** cmd_save() - espah save */
int cmd_save(struct cli *cli, struct args *args)
{
	struct state state = { 0 };
	int status = args_end(args, "save");

	if (!status)
		status = state_read(cli, "save", false, &state);
	if (!status)
		state_save(stdout, &state, false);
	state_free(&state);
	return status;
}
