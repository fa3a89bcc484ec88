/*
 * store_warm.c
 *		Loading copies of rows into the hot tier before anybody asks for them.
 *
 * Rows come in the order of their last use.  They are loaded in pieces: a plan
 * finds the keys of the next few ten thousand rows, which are then read as any
 * read does it, so nothing that a reader could not have put there gets into
 * memory.  Nothing is evicted for it: near the end of the memory it stops.
 *
 * A table whose lock is not to be had at once is left out.
 *
 * The table is read as a whole for each piece, because no column that a touch
 * changes has an index; what is kept of it is bounded by the size of a piece.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_session_row.h"
#include "store/store_table.h"

/* Rows of one piece. */
#define PIECE_ROWS		50000

/* Rows between two looks at how full memory is. */
#define LOOK_ROWS		256

/* Memory is full for our purpose at so many parts of a hundred. */
#define FULL_PERCENT	90

static StorePlan recent_plan = {
	.sql = "SELECT c.namespace, c.key, c.seen_at, c.version FROM covet._cache c"
	" WHERE ROW(c.seen_at, c.version) OPERATOR(pg_catalog.<) ROW($1, $2)"
	" ORDER BY c.seen_at DESC, c.version DESC LIMIT $3",
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, INT8OID, INT8OID},
};

/* The keys of a piece. */
typedef struct Piece
{
	int			count;
	text	  **namespaces;
	text	  **keys;
	WarmPlace  *place;
} Piece;

static void
receive_key(HeapTuple row, TupleDesc desc, void *arg)
{
	Piece	   *piece = arg;
	bool		isnull;

	piece->namespaces[piece->count] = DatumGetTextPCopy(heap_getattr(row, 1, desc, &isnull));
	piece->keys[piece->count++] = DatumGetTextPCopy(heap_getattr(row, 2, desc, &isnull));
	piece->place->seen_at = DatumGetTimestampTz(heap_getattr(row, 3, desc, &isnull));
	piece->place->version = DatumGetInt64(heap_getattr(row, 4, desc, &isnull));
}

static bool
is_full(void)
{
	HotStat		stat;

	covet_hot_stat(&stat);
	return stat.used > stat.size / 100 * FULL_PERCENT;
}

/* Could the row have come from a function of covet? */
static bool
has_copy(const text *namespace, const text *key)
{
	return VARSIZE_ANY_EXHDR(namespace) <= COVET_NAMESPACE_MAX &&
		VARSIZE_ANY_EXHDR(key) <= COVET_KEY_MAX;
}

/* Load the next piece of the cache; true after its last. */
static bool
warm_cache(WarmPlace *place, int64 max_entries, int64 *loaded)
{
	Piece		piece = {.place = place};
	StoreTable	table;
	Datum		values[3];
	bool		done;

	if (!covet_store_try_open(&table, TABLE_CACHE, AccessShareLock))
		return true;
	values[0] = TimestampTzGetDatum(place->begun ? place->seen_at : DT_NOEND);
	values[1] = Int64GetDatum(place->begun ? place->version : PG_INT64_MAX);
	values[2] = Int64GetDatum(PIECE_ROWS);
	piece.namespaces = palloc(sizeof(text *) * PIECE_ROWS);
	piece.keys = palloc(sizeof(text *) * PIECE_ROWS);
	place->begun = true;
	covet_store_execute(&recent_plan, TABLE_CACHE, values, NULL,
						CurrentMemoryContext, receive_key, &piece);

	done = piece.count < PIECE_ROWS;
	for (int i = 0; i < piece.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (*loaded >= max_entries || (i % LOOK_ROWS == 0 && is_full()))
		{
			done = true;
			break;
		}
		if (has_copy(piece.namespaces[i], piece.keys[i]))
			*loaded += covet_cache_load(piece.namespaces[i], &piece.keys[i], 1);
	}
	covet_store_close(&table);
	return done;
}

#define RECENT_SESSIONS(table) \
	"SELECT s.token_hash, s.seen_at, s.version FROM covet." table " s" \
	" WHERE s.ended_until IS NULL" \
	" AND ROW(s.seen_at, s.version) OPERATOR(pg_catalog.<) ROW($1, $2)" \
	" ORDER BY s.seen_at DESC, s.version DESC LIMIT $3"

static StorePlan recent_unlogged_plan = {
	.sql = RECENT_SESSIONS("_session"),
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, INT8OID, INT8OID},
};

static StorePlan recent_logged_plan = {
	.sql = RECENT_SESSIONS("_session_logged"),
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, INT8OID, INT8OID},
};

/* The sessions of a piece. */
typedef struct SessionPiece
{
	int			count;
	TokenHash  *hashes;
	WarmPlace  *place;
} SessionPiece;

static void
receive_session(HeapTuple row, TupleDesc desc, void *arg)
{
	SessionPiece *piece = arg;
	TokenHash  *hash = &piece->hashes[piece->count];
	bool		isnull;
	bytea	   *bytes = DatumGetByteaPP(heap_getattr(row, 1, desc, &isnull));

	piece->place->seen_at = DatumGetTimestampTz(heap_getattr(row, 2, desc, &isnull));
	piece->place->version = DatumGetInt64(heap_getattr(row, 3, desc, &isnull));
	if (VARSIZE_ANY_EXHDR(bytes) != TOKEN_HASH_SIZE)
		return;
	SET_VARSIZE(hash, sizeof(TokenHash));
	memcpy(hash->bytes, VARDATA_ANY(bytes), TOKEN_HASH_SIZE);
	piece->count++;
}

/* Load the next piece of the sessions; true after the last. */
static bool
warm_sessions(WarmPlace *place, int64 max_entries, int64 *loaded)
{
	StoreTableId id = covet_session_row_table();
	StoreTable	table;
	SessionPiece piece = {.place = place};
	MemoryContext session_context;
	bool		complete = false;
	uint64		rows;
	Datum		values[3];

	if (!covet_store_try_open(&table, id, AccessShareLock))
		return true;
	session_context = AllocSetContextCreate(CurrentMemoryContext, "covet warm session",
											ALLOCSET_SMALL_SIZES);
	values[0] = TimestampTzGetDatum(place->begun ? place->seen_at : DT_NOEND);
	values[1] = Int64GetDatum(place->begun ? place->version : PG_INT64_MAX);
	values[2] = Int64GetDatum(PIECE_ROWS);
	piece.hashes = palloc(sizeof(TokenHash) * PIECE_ROWS);
	place->begun = true;
	rows = covet_store_execute(id == TABLE_SESSION ? &recent_unlogged_plan
							   : &recent_logged_plan, id, values, NULL,
							   CurrentMemoryContext, receive_session, &piece);

	for (int i = 0; i < piece.count && !complete; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(session_context);

		CHECK_FOR_INTERRUPTS();
		if (*loaded >= max_entries || (i % LOOK_ROWS == 0 && is_full()))
			complete = true;
		else if (covet_session_warm(&piece.hashes[i]))
			++*loaded;
		MemoryContextSwitchTo(old);
		MemoryContextReset(session_context);
	}
	MemoryContextDelete(session_context);
	pfree(piece.hashes);
	covet_store_close(&table);
	return complete || rows < PIECE_ROWS;
}

/* Where rows come from, in the order they are loaded. */
static bool (*const sources[]) (WarmPlace *place, int64 max_entries, int64 *loaded) = {
	warm_sessions,
	warm_cache,
};

/*
 * Load the next piece of copies, up to max_entries of them in all, and add
 * their number to *loaded; true when there is nothing more to do.  A
 * transaction that may not promote does nothing.
 */
bool
covet_store_warm(WarmPlace *place, int64 max_entries, int64 *loaded)
{
	if (place->source >= (int) lengthof(sources) || *loaded >= max_entries ||
		!covet_hot_available() || !covet_pending_may_promote() || is_full())
		return true;
	if (sources[place->source] (place, max_entries, loaded))
	{
		int			next = place->source + 1;

		memset(place, 0, sizeof(*place));
		place->source = next;
	}
	return place->source >= (int) lengthof(sources);
}
