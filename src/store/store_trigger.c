/*
 * store_trigger.c
 *		Writes to the private tables that do not come from covet's functions.
 *
 * The owner of the tables may write to them with plain SQL, and restores and
 * logical replication do.  Triggers, ENABLE ALWAYS, then note what a write of
 * covet notes itself: that the hot copy of a row is dropped when the transaction
 * commits.  TRUNCATE, which names no rows, ends all copies of the
 * store.
 *
 * Plans of covet fire the triggers too; their condition, covet._own_write(),
 * keeps anything from being queued for them.  Rows that are written without a
 * plan fire none.
 *
 * Keys of hot copies, beside the key in the home of its namespace for _cache:
 *
 *		sessions	the 32 bytes of token_hash
 *		tokens		issuer, a zero byte, jti
 *		subjects	issuer, a zero byte, subject
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_session_row.h"
#include "store/store_table.h"

/* Longer keys than any function writes have no copies. */
#define HOT_KEY_MAX		(COVET_NAMESPACE_MAX + 1 + COVET_KEY_MAX)

StaticAssertDecl(HOT_KEY_MAX >= COVET_ISSUER_MAX + 1 + COVET_JTI_MAX, "those of tokens fit");

/* A table whose rows have copies in the hot tier. */
typedef struct CopiedTable
{
	bool		copied;
	HotStore	store;
	AttrNumber	first;			/* of the key; the namespace with HOT_CACHE */
	AttrNumber	second;			/* 0: none */
} CopiedTable;

static const CopiedTable copied_tables[NUM_STORE_TABLES] = {
	[TABLE_CACHE] = {true, HOT_CACHE, CACHE_NAMESPACE, CACHE_KEY},
	[TABLE_SESSION] = {true, HOT_SESSION, SESSION_TOKEN_HASH},
	[TABLE_SESSION_LOGGED] = {true, HOT_SESSION, SESSION_TOKEN_HASH},
	[TABLE_TOKEN] = {true, HOT_TOKEN, TOKEN_ISSUER, TOKEN_JTI},
	[TABLE_TOKEN_SUBJECT] = {true, HOT_SUBJECT, SUBJECT_ISSUER, SUBJECT_SUBJECT},
};

/* A text or bytea column of a row, or NULL. */
static struct varlena *
get_varlena(HeapTuple row, TupleDesc desc, AttrNumber column)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column, desc, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM_PACKED(value);
}

/*
 * Note that the hot copy of a row of one of covet's tables is dropped when this
 * transaction commits; with "forget" also when memory has last seen it, which
 * otherwise stays until a row has it.  A table whose rows have no copies is left
 * alone.
 */
void
covet_store_drop_copy(StoreTableId id, HeapTuple row, TupleDesc desc, bool forget)
{
	const CopiedTable *copied = &copied_tables[id];
	bool		named = copied->store == HOT_CACHE;
	struct varlena *first;
	struct varlena *second = NULL;
	char		bytes[HOT_KEY_MAX];
	Size		size = 0;
	HotKey		key;

	if (!copied->copied)
		return;
	first = get_varlena(row, desc, copied->first);
	if (copied->second != 0)
		second = get_varlena(row, desc, copied->second);
	if (first == NULL || (copied->second != 0 && second == NULL) ||
		(named && VARSIZE_ANY_EXHDR(first) > COVET_NAMESPACE_MAX) ||
		VARSIZE_ANY_EXHDR(first) + 1 + (second == NULL ? 0 : VARSIZE_ANY_EXHDR(second)) > HOT_KEY_MAX)
		return;

	if (!named)
	{
		memcpy(bytes, VARDATA_ANY(first), VARSIZE_ANY_EXHDR(first));
		size = VARSIZE_ANY_EXHDR(first);
		if (second != NULL)
			bytes[size++] = '\0';
	}
	if (second != NULL)
	{
		memcpy(bytes + size, VARDATA_ANY(second), VARSIZE_ANY_EXHDR(second));
		size += VARSIZE_ANY_EXHDR(second);
	}
	key.home = named
		? covet_hot_home(HOT_CACHE, VARDATA_ANY(first), VARSIZE_ANY_EXHDR(first), true)
		: covet_hot_home(copied->store, "", 0, true);
	if (key.home != NULL)
		covet_hot_key(&key, key.home, bytes, size);
	covet_pending_drop(&key);
	if (forget && key.home != NULL)
		covet_hot_saved(&key, covet_now());
}

PG_FUNCTION_INFO_V1(covet__own_write);

/*
 * covet._own_write(): is a plan of covet being executed?
 */
Datum
covet__own_write(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(covet_store_executing());
}

/* The table a trigger of ours was fired for. */
static StoreTableId
trigger_table(FunctionCallInfo fcinfo)
{
	if (CALLED_AS_TRIGGER(fcinfo))
	{
		Oid			relid = RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation);

		for (int id = 0; id < NUM_STORE_TABLES; id++)
			if (covet_store_relid(id) == relid)
				return id;
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function was not called by a trigger of covet")));
}

/*
 * Does a write say itself when the row was last seen?  Then that holds, and not
 * what memory knows.
 */
static bool
sets_seen_at(StoreTableId id, TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	AttrNumber	column = id == TABLE_CACHE ? CACHE_SEEN_AT : SESSION_SEEN_AT;
	bool		isnull;

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return true;
	if (id != TABLE_CACHE && id != TABLE_SESSION && id != TABLE_SESSION_LOGGED)
		return false;
	return DatumGetTimestampTz(heap_getattr(trigger->tg_trigtuple, column, desc, &isnull)) !=
		DatumGetTimestampTz(heap_getattr(trigger->tg_newtuple, column, desc, &isnull));
}

PG_FUNCTION_INFO_V1(covet__note_row);

/*
 * covet._note_row(): trigger, after a row of a private table was written.
 * Without preloading there is no memory, and nothing to do.
 */
Datum
covet__note_row(PG_FUNCTION_ARGS)
{
	StoreTableId id = trigger_table(fcinfo);
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	bool		forget;

	if (!covet_preloaded())
		return PointerGetDatum(NULL);
	if (id == TABLE_CACHE_NAMESPACE)
		covet_pending_settings();
	forget = sets_seen_at(id, trigger);
	covet_store_drop_copy(id, trigger->tg_trigtuple, desc, forget);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		covet_store_drop_copy(id, trigger->tg_newtuple, desc, forget);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(covet__note_truncate);

/*
 * covet._note_truncate(): trigger, after a private table was emptied.
 */
Datum
covet__note_truncate(PG_FUNCTION_ARGS)
{
	StoreTableId id = trigger_table(fcinfo);

	if (!covet_preloaded())
		return PointerGetDatum(NULL);
	if (id == TABLE_CACHE_NAMESPACE)
		covet_pending_settings();
	if (copied_tables[id].copied)
		covet_pending_epoch(copied_tables[id].store);
	return PointerGetDatum(NULL);
}
