/*
 * compat.h
 *		The only file that looks at PG_VERSION_NUM: PostgreSQL 15 to 18 behind
 *		one name each.
 */
#ifndef COVET_COMPAT_H
#define COVET_COMPAT_H

#include "access/genam.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/wait_event.h"

/* varlena macros moved to a header of their own in 16 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 can carry name and version in the magic block */
#if PG_VERSION_NUM >= 180000
#define COVET_MODULE_MAGIC(module) \
	PG_MODULE_MAGIC_EXT(.name = module, .version = COVET_VERSION)
#else
#define COVET_MODULE_MAGIC(module) PG_MODULE_MAGIC
#endif

/* 18 has the prefix pg_noreturn in its place */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* 18 gave index_beginscan an instrumentation argument */
#if PG_VERSION_NUM >= 180000
#define covet_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define covet_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* 18 gave RelationGetPrimaryKeyIndex a way to take a deferrable key */
#if PG_VERSION_NUM >= 180000
#define covet_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define covet_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/*
 * Named wait events for extensions exist from 17; before, pg_stat_activity
 * shows the plain "Extension".  Each call site keeps its own static.
 */
#if PG_VERSION_NUM >= 170000
#define covet_wait_event(name, cache) \
	((cache) != 0 ? (cache) : ((cache) = WaitEventExtensionNew(name)))
#else
#define covet_wait_event(name, cache) \
	((void) (cache), (uint32) PG_WAIT_EXTENSION)
#endif

/* 17 took the number of a backend's PGPROC out of it */
#if PG_VERSION_NUM >= 170000
#define covet_proc_number() ((uint32) MyProcNumber)
#else
#define covet_proc_number() ((uint32) MyProc->pgprocno)
#endif

/* 16 lets JSON actions return an error code; 15 raises or returns nothing */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType CovetJsonActionResult;
#define COVET_JSON_ACTION_OK return JSON_SUCCESS
#else
typedef void CovetJsonActionResult;
#define COVET_JSON_ACTION_OK return
#endif

/* 17 gave the lexer a caller-provided struct */
#if PG_VERSION_NUM >= 170000
#define covet_json_lexer(str, len) \
	makeJsonLexContextCstringLen(NULL, (str), (len), GetDatabaseEncoding(), true)
#else
#define covet_json_lexer(str, len) \
	makeJsonLexContextCstringLen((str), (len), GetDatabaseEncoding(), true)
#endif

/* 16 folded the checks of foreign servers into one function for all objects */
#if PG_VERSION_NUM >= 160000
#define covet_server_aclcheck(server, role, mode) \
	object_aclcheck(ForeignServerRelationId, (server), (role), (mode))
#else
#define covet_server_aclcheck(server, role, mode) \
	pg_foreign_server_aclcheck((server), (role), (mode))
#endif

/* 17 lets a resource owner free a wait event set; ours is freed by hand */
#if PG_VERSION_NUM >= 170000
#define covet_create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define covet_create_wait_event_set(nevents) \
	CreateWaitEventSet(CurrentMemoryContext, (nevents))
#endif

/* Would CHECK_FOR_INTERRUPTS end the statement?  17 added a timeout. */
#if PG_VERSION_NUM >= 170000
#define covet_must_stop() \
	(QueryCancelPending || ProcDiePending || ClientConnectionLost || \
	 TransactionTimeoutPending)
#else
#define covet_must_stop() \
	(QueryCancelPending || ProcDiePending || ClientConnectionLost)
#endif

#endif							/* COVET_COMPAT_H */
