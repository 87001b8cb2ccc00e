// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plugin. charon does not check the version of a plugin, although the shared structures change
 * from one release to the next. So the plugin checks the version itself, and refuses a mismatch.
 */
#include "backend.h"

#include <ctype.h>
#include <plugins/plugin.h>

/* Whether a character can be part of a version number. */
static bool is_part(u_char c)
{
	return isalnum(c) || c == '.';
}

/*
 * Whether the running program has the version that we were built for. The program has no symbol
 * with its version, but it prints the version, so its binary contains that string.
 */
static bool right_version(void)
{
	static const char version[] = VERSION;
	size_t len = strlen(version);
	bool found = FALSE;
	chunk_t *program;
	u_char *at;

	program = chunk_map("/proc/self/exe", FALSE);
	if (!program)
		return FALSE;
	for (at = program->ptr; !found; at++) {
		at = memmem(at, program->ptr + program->len - at, version, len);
		if (!at)
			break;
		found = at > program->ptr && at + len < program->ptr + program->len &&
			!is_part(at[-1]) && !is_part(at[len]);
	}
	chunk_unmap(program);
	return found;
}

static kernel_ipsec_t *create(void)
{
	if (!right_version())
		return refusing_backend("the plugin is built for strongSwan " VERSION
					", and this is another version");
	return espah_backend();
}

METHOD(plugin_t, get_name, char *, plugin_t *this)
{
	return "kernel-espah";
}

METHOD(plugin_t, get_plugin_features, int, plugin_t *this, plugin_feature_t *features[])
{
	static plugin_feature_t list[] = {
		PLUGIN_CALLBACK(kernel_ipsec_register, create),
			PLUGIN_PROVIDE(CUSTOM, "kernel-ipsec"),
	};

	*features = list;
	return countof(list);
}

METHOD(plugin_t, plugin_destroy, void, plugin_t *this)
{
	free(this);
}

#ifdef PLUGIN_DEFINE /* strongSwan 6 */
PLUGIN_DEFINE(kernel_espah)
#else
plugin_t *kernel_espah_plugin_create(void);
plugin_t *kernel_espah_plugin_create(void)
#endif
{
	plugin_t *this;

	INIT(this,
		.get_name = _get_name,
		.get_features = _get_plugin_features,
		.destroy = _plugin_destroy,
	);
	return this;
}
