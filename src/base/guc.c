/*
 * guc.c
 *		The settings, all with the prefix "covet.".
 *
 * Those of covet_mongo are here too, because the prefix is reserved by this
 * library; it reads them with GetConfigOption.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/guc.h"

int			covet_default_storage = STORAGE_TABLE;
int			covet_default_ttl = 86400;
int			covet_default_max_bytes = 1024 * 1024;
int			covet_max_decompressed_size = 256 * 1024;
int			covet_session_idle_timeout = 1800;
int			covet_session_max_lifetime = 86400;
int			covet_session_max_per_user = 0;
int			covet_session_limit_policy = LIMIT_OLDEST;
int			covet_session_tombstone = 600;
int			covet_sweep_min_interval = 1000;
int			covet_sweep_max_interval = 300000;
int			covet_max_databases = 64;
bool		covet_warm_on_start = true;
int			covet_hot_size = 64 * 1024;
int			covet_hot_max_value = 512;
int			covet_debug_commit_ms = 0;
int			covet_debug_promote_ms = 0;

static char *mongo_allowed_hosts = NULL;

static const struct config_enum_entry storage_options[] = {
	{"table", STORAGE_TABLE, false},
	{"memory", STORAGE_MEMORY, false},
	{NULL, 0, false}
};

static const struct config_enum_entry limit_policy_options[] = {
	{"oldest", LIMIT_OLDEST, false},
	{"reject", LIMIT_REJECT, false},
	{NULL, 0, false}
};

/*
 * The CacheStorage with a name, or -1.
 */
int
covet_storage_by_name(const char *name)
{
	for (const struct config_enum_entry *option = storage_options; option->name != NULL; option++)
		if (strcmp(option->name, name) == 0)
			return option->val;
	return -1;
}

/*
 * Those that tests make a race wide with.
 */
static void
define_debug_delays(void)
{
	DefineCustomIntVariable("covet.debug_commit_delay",
							"Sleeps before a commit takes effect in memory.",
							NULL,
							&covet_debug_commit_ms,
							0, 0, 60000,
							PGC_SUSET,
							GUC_UNIT_MS | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.debug_promote_delay",
							"Sleeps between the read of a row and its way into memory.",
							NULL,
							&covet_debug_promote_ms,
							0, 0, 60000,
							PGC_SUSET,
							GUC_UNIT_MS | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							NULL, NULL, NULL);
}

/*
 * Define the settings and reserve the prefix.  Those that need a restart
 * exist only when the library is preloaded.
 */
void
covet_guc_init(bool preloading)
{
	DefineCustomEnumVariable("covet.default_storage",
							 "Selects the storage of cache namespaces nobody configured.",
							 NULL,
							 &covet_default_storage,
							 STORAGE_TABLE,
							 storage_options,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("covet.default_ttl",
							"Sets the time to live of cache entries written without one.",
							"-1 means no deadline.",
							&covet_default_ttl,
							86400, -1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.default_max_bytes",
							"Sets the quota of cache namespaces without one of their own.",
							NULL,
							&covet_default_max_bytes,
							1024 * 1024, 1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.max_decompressed_size",
							"Sets the largest size a value may have after decompression.",
							NULL,
							&covet_max_decompressed_size,
							256 * 1024, 1, 1024 * 1024 - 1,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.session_idle_timeout",
							"Sets how long a session lives without being seen.",
							NULL,
							&covet_session_idle_timeout,
							1800, 1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.session_max_lifetime",
							"Sets how long a session lives at most.",
							NULL,
							&covet_session_max_lifetime,
							86400, 1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.session_max_per_user",
							"Sets how many sessions a user may have at once.",
							"0 means no limit.",
							&covet_session_max_per_user,
							0, 0, 1000000,
							PGC_SUSET,
							0,
							NULL, NULL, NULL);

	DefineCustomEnumVariable("covet.session_limit_policy",
							 "Selects what happens when a user is at the limit of sessions.",
							 NULL,
							 &covet_session_limit_policy,
							 LIMIT_OLDEST,
							 limit_policy_options,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("covet.session_tombstone",
							"Sets how long the id of an ended session cannot be saved again.",
							NULL,
							&covet_session_tombstone,
							600, 0, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.sweep_min_interval",
							"Sets the shortest time between two sweeps of a database.",
							NULL,
							&covet_sweep_min_interval,
							1000, 10, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.sweep_max_interval",
							"Sets the longest time between two sweeps of a database.",
							NULL,
							&covet_sweep_max_interval,
							300000, 10, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("covet.hot_max_value",
							"Sets the size of the largest value that memory keeps.",
							"An eighth of a partition of the memory is the most it can be, whatever is set.",
							&covet_hot_max_value,
							512, 1, 1024 * 1024 - 1,
							PGC_SIGHUP,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("covet.warm_on_start",
							 "Loads copies of rows into memory after a start of the server.",
							 NULL,
							 &covet_warm_on_start,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("covet.mongo_allowed_hosts",
							   "Lists the hosts and addresses that MongoDB connections may go to.",
							   "A comma-separated list of host names, addresses and networks; * allows all but link-local addresses.",
							   &mongo_allowed_hosts,
							   "*",
							   PGC_SUSET,
							   GUC_LIST_INPUT,
							   NULL, NULL, NULL);

	if (preloading)
	{
		DefineCustomIntVariable("covet.max_databases",
								"Sets how many databases the workers can serve.",
								NULL,
								&covet_max_databases,
								64, 1, 10000,
								PGC_POSTMASTER,
								0,
								NULL, NULL, NULL);

		DefineCustomIntVariable("covet.hot_size",
								"Sets the size of the shared memory of the hot tier.",
								"Locks and rate limits take a sixteenth of it on top.",
								&covet_hot_size,
								64 * 1024, 4 * 1024, MAX_KILOBYTES,
								PGC_POSTMASTER,
								GUC_UNIT_KB,
								NULL, NULL, NULL);
	}

	define_debug_delays();
	MarkGUCPrefixReserved("covet");
}
