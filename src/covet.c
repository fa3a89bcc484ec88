/*
 * covet.c
 *		The door of covet.so: module magic and one line per room.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/registry.h"
#include "base/shmem.h"
#include "base/version.h"
#include "hot/hot.h"
#include "hot/hot_limit.h"
#include "worker/worker.h"

COVET_MODULE_MAGIC("covet");

void		_PG_init(void);

/*
 * Without preloading only the settings exist; every stateful function then
 * raises 55000.
 */
void
_PG_init(void)
{
	covet_guc_init(process_shared_preload_libraries_in_progress);

	if (!process_shared_preload_libraries_in_progress)
		return;

	covet_shmem_install();
	covet_version_init();
	covet_registry_init();
	covet_hot_init();
	covet_pending_init();
	covet_limit_init();
	covet_worker_init();
}

PG_FUNCTION_INFO_V1(covet_version);

/*
 * covet.version(): the version of the loaded library.
 */
Datum
covet_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(COVET_VERSION));
}
