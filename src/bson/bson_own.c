/*
 * bson_own.c
 *		Memory of libbson under PostgreSQL's memory contexts.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "bson/bson_map.h"

static void
destroy(void *doc)
{
	bson_destroy((bson_t *) doc);
}

/*
 * Tie a document that libbson allocated to the current memory context: it is
 * destroyed when the context is reset or deleted, so also after an error.
 * The caller must not destroy it.  When memory runs out it is destroyed at
 * once and 53200 raised.
 */
void
covet_bson_own(bson_t *doc)
{
	MemoryContextCallback *callback;

	callback = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(*callback),
										  MCXT_ALLOC_NO_OOM);
	if (callback == NULL)
	{
		bson_destroy(doc);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not take over a BSON document.")));
	}
	callback->func = destroy;
	callback->arg = doc;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}
