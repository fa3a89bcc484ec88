/*
 * cache.c
 *		SQL functions of the cache: unpack, call the store, pack.
 *
 * Functions that read or write values come in three kinds that differ only in
 * the type of the value: text (the bare name), _bytea and _jsonb.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "codec/value.h"
#include "store/store.h"

/* Defines the three SQL functions of a family over one static function. */
#define TYPED_FUNCTIONS(name) \
	PG_FUNCTION_INFO_V1(covet_##name); \
	PG_FUNCTION_INFO_V1(covet_##name##_bytea); \
	PG_FUNCTION_INFO_V1(covet_##name##_jsonb); \
	Datum covet_##name(PG_FUNCTION_ARGS) { return name(fcinfo, VALUE_TEXT); } \
	Datum covet_##name##_bytea(PG_FUNCTION_ARGS) { return name(fcinfo, VALUE_BYTEA); } \
	Datum covet_##name##_jsonb(PG_FUNCTION_ARGS) { return name(fcinfo, VALUE_JSONB); } \
	extern int	no_such_variable

/* What a NULL lease stands for. */
#define DEFAULT_LEASE	(10 * USECS_PER_SEC)

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------ */

/*
 * Begin a function that reads or deletes: false when the namespace's name
 * cannot exist, so nothing is in it.
 */
static bool
begin_read(FunctionCallInfo fcinfo, int namespace_arg, CacheNamespace *ns)
{
	text	   *name;

	covet_require_stateful(fcinfo);
	name = COVET_ARG_TEXT(namespace_arg);
	if (name == NULL)
		covet_null_not_allowed("cache namespace");
	if (!covet_fits(name, COVET_NAMESPACE_MAX))
		return false;
	covet_namespace_get(name, ns);
	return true;
}

/* The same for one that deletes, which is "what" in the error of 25006. */
static bool
begin_delete(FunctionCallInfo fcinfo, int namespace_arg, CacheNamespace *ns,
			 const char *what)
{
	if (!begin_read(fcinfo, namespace_arg, ns))
	{
		covet_cache_ops(covet_default_storage)->require_writable(what);
		return false;
	}
	covet_cache_require_writable(ns, what);
	return true;
}

/* Begin a function that writes: the namespace's name must be a good one. */
static void
begin_write(FunctionCallInfo fcinfo, int namespace_arg, CacheNamespace *ns,
			const char *what)
{
	text	   *name;

	covet_require_stateful(fcinfo);
	name = COVET_ARG_TEXT(namespace_arg);
	covet_require_fits(name, 1, COVET_NAMESPACE_MAX, "cache namespace");
	covet_namespace_get(name, ns);
	covet_cache_require_writable(ns, what);
}

static text *
key_to_write(FunctionCallInfo fcinfo, int arg)
{
	text	   *key = COVET_ARG_TEXT(arg);

	covet_require_fits(key, 1, COVET_KEY_MAX, "cache key");
	return key;
}

/* A key to look for, or NULL when it cannot exist. */
static text *
key_to_find(FunctionCallInfo fcinfo, int arg)
{
	text	   *key = COVET_ARG_TEXT(arg);

	return covet_fits(key, COVET_KEY_MAX) ? key : NULL;
}

/*
 * The keys of an array to look for: NULL in the place of those that cannot
 * exist.  A NULL array has none.
 */
static text **
keys_to_find(FunctionCallInfo fcinfo, int arg, int *count)
{
	Datum	   *values;
	bool	   *nulls;
	text	  **keys;

	*count = 0;
	if (PG_ARGISNULL(arg))
		return NULL;
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, &values, &nulls, count);
	keys = palloc(sizeof(text *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		keys[i] = nulls[i] ? NULL : DatumGetTextPP(values[i]);
		if (!covet_fits(keys[i], COVET_KEY_MAX))
			keys[i] = NULL;
	}
	return keys;
}

/* The tags argument; NULL elements and arrays as API.md says of writes. */
static text **
tags_to_write(FunctionCallInfo fcinfo, int arg, int max_tags, int *count)
{
	Datum	   *values;
	bool	   *nulls;
	text	  **tags;

	*count = 0;
	if (PG_ARGISNULL(arg))
		return NULL;
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, &values, &nulls, count);
	tags = palloc(sizeof(text *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		tags[i] = nulls[i] ? NULL : DatumGetTextPP(values[i]);
		covet_require_fits(tags[i], 1, COVET_TAG_MAX, "cache tag");
	}
	if (*count > max_tags)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many tags for a cache entry"),
				 errdetail("There are %d; the limit is %d.", *count, max_tags)));
	return tags;
}

/*
 * What a write gives to its entries: the ttl argument (NULL is the
 * namespace's default), tags_arg and idle_arg (-1 when the function has none).
 */
static void
write_options(FunctionCallInfo fcinfo, const CacheNamespace *ns, int ttl_arg,
			  int tags_arg, int idle_arg, CacheWrite *write)
{
	Ttl			ttl = PG_ARGISNULL(ttl_arg) ? ns->default_ttl
		: covet_ttl_from_interval(PG_GETARG_INTERVAL_P(ttl_arg));

	memset(write, 0, sizeof(*write));
	write->now = covet_now();
	write->expires_at = covet_deadline(write->now, ttl);
	if (tags_arg >= 0)
		write->tags = tags_to_write(fcinfo, tags_arg, COVET_TAGS_MAX, &write->ntags);
	if (idle_arg >= 0 && !PG_ARGISNULL(idle_arg))
	{
		Ttl			idle = covet_ttl_from_interval(PG_GETARG_INTERVAL_P(idle_arg));

		/* Without end is as good as none; ended already keeps nothing. */
		if (idle <= 0)
			write->expires_at = write->now;
		else if (idle != TTL_FOREVER)
			write->idle = idle;
	}
}

/* The frame of the value argument. */
static bytea *
value_to_write(FunctionCallInfo fcinfo, int arg, const CacheNamespace *ns, ValueKind kind)
{
	if (PG_ARGISNULL(arg))
		covet_null_not_allowed("cache value");
	return covet_value_encode(kind, PG_GETARG_DATUM(arg), ns->codec);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

/* Values read for an aligned result. */
typedef struct ReadResult
{
	ValueKind	wanted;
	Datum	   *values;
	bool	   *nulls;
	Size		size;			/* bytes of all values so far */
} ReadResult;

static void
receive_value(const CacheEntry *entry, int index, void *arg)
{
	ReadResult *result = arg;

	result->values[index] = covet_value_decode_parts(&entry->value, result->wanted);
	result->nulls[index] = false;

	/* No array can hold more, so do not fill the memory first. */
	result->size += VARSIZE_ANY(DatumGetPointer(result->values[index]));
	if (result->size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("values are too large for one array"),
				 errdetail("Together they have more than %zu bytes.", (Size) MaxAllocSize)));
}

static Datum
cache_get(FunctionCallInfo fcinfo, ValueKind wanted)
{
	CacheNamespace ns;
	Datum		value = (Datum) 0;
	bool		isnull = true;
	ReadResult	result = {.wanted = wanted,.values = &value,.nulls = &isnull};
	text	   *key;

	if (begin_read(fcinfo, 1, &ns) && (key = key_to_find(fcinfo, 0)) != NULL)
		covet_cache_read(&ns, &key, 1, CACHE_SEEN | CACHE_VALUES, receive_value, &result);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

TYPED_FUNCTIONS(cache_get);

/* An array of nullable values of a type with the given oid. */
static Datum
make_array(Datum *values, bool *nulls, int count, Oid type)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			lower = 1;

	if (count == 0)
		return PointerGetDatum(construct_empty_array(type));
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower,
											  type, typlen, typbyval, typalign));
}

static Datum
cache_get_many(FunctionCallInfo fcinfo, ValueKind wanted)
{
	CacheNamespace ns;
	ReadResult	result = {.wanted = wanted};
	bool		exists = begin_read(fcinfo, 1, &ns);
	int			count;
	text	  **keys = keys_to_find(fcinfo, 0, &count);

	if (keys == NULL)
		PG_RETURN_NULL();
	result.values = palloc0(sizeof(Datum) * Max(count, 1));
	result.nulls = palloc(sizeof(bool) * Max(count, 1));
	memset(result.nulls, true, count);
	if (exists)
		covet_cache_read(&ns, keys, count, CACHE_SEEN | CACHE_VALUES, receive_value, &result);
	return make_array(result.values, result.nulls, count, covet_value_kind_type(wanted));
}

TYPED_FUNCTIONS(cache_get_many);

static void
receive_end(const CacheEntry *entry, int index, void *arg)
{
	*(TimestampTz *) arg = entry->expires_at;
}

/* When an entry ends, or false when there is none. */
static bool
find_end(FunctionCallInfo fcinfo, TimestampTz *end)
{
	CacheNamespace ns;
	text	   *key;

	*end = DT_NOBEGIN;
	if (begin_read(fcinfo, 1, &ns) && (key = key_to_find(fcinfo, 0)) != NULL)
		covet_cache_read(&ns, &key, 1, 0, receive_end, end);
	return *end != DT_NOBEGIN;
}

PG_FUNCTION_INFO_V1(covet_cache_exists);
Datum
covet_cache_exists(PG_FUNCTION_ARGS)
{
	TimestampTz end;

	PG_RETURN_BOOL(find_end(fcinfo, &end));
}

PG_FUNCTION_INFO_V1(covet_cache_expires_at);
Datum
covet_cache_expires_at(PG_FUNCTION_ARGS)
{
	TimestampTz end;

	if (!find_end(fcinfo, &end))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(end);
}

/* Where rows of cache_entry go. */
typedef struct EntryRows
{
	ReturnSetInfo *rsinfo;
	bool		with_values;
	MemoryContext context;		/* of one row, reset before the next */
} EntryRows;

/* Not made by the first row: that one's context does not outlive the row. */
static void
begin_rows(FunctionCallInfo fcinfo, EntryRows *rows)
{
	InitMaterializedSRF(fcinfo, 0);
	rows->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	rows->context = AllocSetContextCreate(CurrentMemoryContext, "covet cache entry",
										  ALLOCSET_DEFAULT_SIZES);
}

static void
receive_entry(const CacheEntry *entry, int index, void *arg)
{
	EntryRows  *rows = arg;
	Datum		values[9];
	bool		nulls[9] = {0};
	MemoryContext old;

	MemoryContextReset(rows->context);
	old = MemoryContextSwitchTo(rows->context);
	values[0] = PointerGetDatum(entry->key);
	nulls[1] = !rows->with_values;
	if (rows->with_values)
		values[1] = covet_value_decode_parts(&entry->value, VALUE_BYTEA);
	values[2] = CStringGetTextDatum(covet_value_kind_name(covet_head_kind(entry->value.head)));
	values[3] = Int64GetDatum(entry->version);
	values[4] = TimestampTzGetDatum(entry->expires_at);
	values[5] = Int32GetDatum(entry->value.raw_size);
	values[6] = Int32GetDatum(entry->stored_size);
	values[7] = CStringGetTextDatum(covet_codec_by_id(covet_head_codec(entry->value.head))->name);
	nulls[8] = entry->tags == NULL;
	values[8] = PointerGetDatum(entry->tags);
	tuplestore_putvalues(rows->rsinfo->setResult, rows->rsinfo->setDesc, values, nulls);
	MemoryContextSwitchTo(old);
}

static int
compare_text_pointers(const void *a, const void *b)
{
	return covet_compare_texts(*(text *const *) a, *(text *const *) b);
}

PG_FUNCTION_INFO_V1(covet_cache_entries);
Datum
covet_cache_entries(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	EntryRows	rows = {.with_values = true};
	bool		exists = begin_read(fcinfo, 1, &ns);
	int			count;
	int			distinct = 0;
	text	  **keys = keys_to_find(fcinfo, 0, &count);

	begin_rows(fcinfo, &rows);
	for (int i = 0; i < count; i++)
		if (keys[i] != NULL)
			keys[distinct++] = keys[i];
	if (!exists || distinct == 0)
		return (Datum) 0;

	/* A key asked for twice is still one entry. */
	qsort(keys, distinct, sizeof(text *), compare_text_pointers);
	count = distinct;
	distinct = 1;
	for (int i = 1; i < count; i++)
		if (compare_text_pointers(&keys[i], &keys[distinct - 1]) != 0)
			keys[distinct++] = keys[i];
	covet_cache_read(&ns, keys, distinct, CACHE_VALUES | CACHE_WITH_TAGS, receive_entry, &rows);
	return (Datum) 0;
}

#define SCAN_MAX_ENTRIES	10000

PG_FUNCTION_INFO_V1(covet_cache_scan);
Datum
covet_cache_scan(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	EntryRows	rows;
	bool		exists = begin_read(fcinfo, 3, &ns);
	text	   *prefix = COVET_ARG_TEXT(0);
	int			max_entries = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);

	if (max_entries < 1 || max_entries > SCAN_MAX_ENTRIES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_entries must be between 1 and %d", SCAN_MAX_ENTRIES)));
	rows.with_values = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	begin_rows(fcinfo, &rows);
	if (exists)
		covet_cache_scan_range(&ns, prefix == NULL ? cstring_to_text("") : prefix,
							   COVET_ARG_TEXT(1), max_entries,
							   CACHE_WITH_TAGS | (rows.with_values ? CACHE_VALUES : 0), receive_entry, &rows);
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------ */

static Datum
cache_set(FunctionCallInfo fcinfo, ValueKind kind)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;
	bytea	   *frame;

	begin_write(fcinfo, 3, &ns, "cache_set()");
	key = key_to_write(fcinfo, 0);
	frame = value_to_write(fcinfo, 1, &ns, kind);
	write_options(fcinfo, &ns, 2, 4, 5, &write);
	PG_RETURN_BOOL(covet_cache_set_entries(&ns, &write, &key, &frame, 1) == 1);
}

TYPED_FUNCTIONS(cache_set);

static Datum
cache_set_many(FunctionCallInfo fcinfo, ValueKind kind)
{
	CacheNamespace ns;
	CacheWrite	write;
	Datum	   *keys;
	Datum	   *values;
	bool	   *null_keys;
	bool	   *null_values;
	text	  **checked;
	bytea	  **frames;
	int			count;
	int			nvalues;

	begin_write(fcinfo, 3, &ns, "cache_set_many()");
	if (PG_ARGISNULL(0))
		covet_null_not_allowed("array of cache keys");
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("array of cache values");
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, &keys, &null_keys, &count);
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(1), covet_value_kind_type(kind),
					  &values, &null_values, &nvalues);
	if (count != nvalues)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arrays of keys and values must have the same length"),
				 errdetail("There are %d keys and %d values.", count, nvalues)));
	write_options(fcinfo, &ns, 2, 4, -1, &write);

	checked = palloc(sizeof(text *) * Max(count, 1));
	frames = palloc(sizeof(bytea *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		checked[i] = null_keys[i] ? NULL : DatumGetTextPP(keys[i]);
		covet_require_fits(checked[i], 1, COVET_KEY_MAX, "cache key");
		if (null_values[i])
			covet_null_not_allowed("cache value");
		frames[i] = covet_value_encode(kind, values[i], ns.codec);
	}
	PG_RETURN_INT32(covet_cache_set_entries(&ns, &write, checked, frames, count));
}

TYPED_FUNCTIONS(cache_set_many);

static Datum
cache_add(FunctionCallInfo fcinfo, ValueKind kind)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;
	bytea	   *frame;

	begin_write(fcinfo, 3, &ns, "cache_add()");
	key = key_to_write(fcinfo, 0);
	frame = value_to_write(fcinfo, 1, &ns, kind);
	write_options(fcinfo, &ns, 2, 4, -1, &write);
	PG_RETURN_BOOL(covet_cache_add_entry(&ns, &write, key, frame));
}

TYPED_FUNCTIONS(cache_add);

static Datum
cache_replace(FunctionCallInfo fcinfo, ValueKind kind)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;
	bytea	   *frame;
	int64		version = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5);

	begin_write(fcinfo, 3, &ns, "cache_replace()");
	key = key_to_write(fcinfo, 0);
	frame = value_to_write(fcinfo, 1, &ns, kind);
	write_options(fcinfo, &ns, 2, 4, -1, &write);
	PG_RETURN_BOOL(covet_cache_replace_entry(&ns, &write, key, frame,
											 PG_ARGISNULL(5) ? NULL : &version));
}

TYPED_FUNCTIONS(cache_replace);

PG_FUNCTION_INFO_V1(covet_cache_incr);
Datum
covet_cache_incr(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;
	int64		initial = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4);
	int64		result;

	begin_write(fcinfo, 3, &ns, "cache_incr()");
	key = key_to_write(fcinfo, 0);
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("increment");
	write_options(fcinfo, &ns, 2, -1, -1, &write);
	if (!covet_cache_incr_entry(&ns, &write, key, PG_GETARG_INT64(1),
								PG_ARGISNULL(4) ? NULL : &initial, &result))
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

static Datum
cache_take(FunctionCallInfo fcinfo, ValueKind wanted)
{
	CacheNamespace ns;
	text	   *key;
	Datum		value;

	if (!begin_delete(fcinfo, 1, &ns, "cache_take()") ||
		(key = key_to_find(fcinfo, 0)) == NULL ||
		!covet_cache_take_entry(&ns, key, wanted, &value))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

TYPED_FUNCTIONS(cache_take);

PG_FUNCTION_INFO_V1(covet_cache_touch);
Datum
covet_cache_touch(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;

	if (!begin_delete(fcinfo, 2, &ns, "cache_touch()") ||
		(key = key_to_find(fcinfo, 0)) == NULL)
		PG_RETURN_BOOL(false);
	write_options(fcinfo, &ns, 1, -1, -1, &write);
	PG_RETURN_BOOL(covet_cache_touch_entry(&ns, key, write.now, write.expires_at));
}

PG_FUNCTION_INFO_V1(covet_cache_delete);
Datum
covet_cache_delete(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	text	   *key;

	if (!begin_delete(fcinfo, 1, &ns, "cache_delete()"))
		PG_RETURN_BOOL(false);
	key = key_to_find(fcinfo, 0);
	PG_RETURN_BOOL(covet_cache_delete_entries(&ns, &key, 1) == 1);
}

PG_FUNCTION_INFO_V1(covet_cache_delete_many);
Datum
covet_cache_delete_many(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	text	  **keys;
	int			count;

	if (!begin_delete(fcinfo, 1, &ns, "cache_delete_many()"))
		PG_RETURN_INT32(0);
	keys = keys_to_find(fcinfo, 0, &count);
	PG_RETURN_INT32(covet_cache_delete_entries(&ns, keys, count));
}

PG_FUNCTION_INFO_V1(covet_cache_clear);
Datum
covet_cache_clear(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;

	if (begin_delete(fcinfo, 0, &ns, "cache_clear()"))
		covet_cache_clear_namespace(&ns);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(covet_cache_invalidate_tags);
Datum
covet_cache_invalidate_tags(PG_FUNCTION_ARGS)
{
	CacheNamespace ns;
	Datum	   *values;
	bool	   *nulls;
	text	  **tags;
	int			count;
	int			possible = 0;

	if (!begin_delete(fcinfo, 1, &ns, "cache_invalidate_tags()") || PG_ARGISNULL(0))
		PG_RETURN_VOID();
	covet_deconstruct(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, &values, &nulls, &count);
	tags = palloc(sizeof(text *) * Max(count, 1));

	/* What is NULL, empty or too long is on no entry. */
	for (int i = 0; i < count; i++)
	{
		tags[possible] = nulls[i] ? NULL : DatumGetTextPP(values[i]);
		if (covet_fits(tags[possible], COVET_TAG_MAX))
			possible++;
	}
	covet_cache_invalidate(&ns, tags, possible);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Leases
 * ------------------------------------------------------------------------ */

static Datum
cache_lease(FunctionCallInfo fcinfo, ValueKind wanted)
{
	static const char *const statuses[] = {
		[LEASE_HIT] = "hit",
		[LEASE_STALE] = "stale",
		[LEASE_WON] = "won",
		[LEASE_WAIT] = "wait",
	};
	CacheLease	lease = {.status = LEASE_WON,.isnull = true};
	CacheNamespace ns;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {0};
	text	   *key;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (begin_read(fcinfo, 2, &ns) && (key = key_to_find(fcinfo, 0)) != NULL)
		covet_cache_lease_entry(&ns, key, PG_ARGISNULL(1) ? DEFAULT_LEASE
						  : covet_ttl_from_interval(PG_GETARG_INTERVAL_P(1)),
						  wanted, &lease);
	values[0] = CStringGetTextDatum(statuses[lease.status]);
	values[1] = lease.value;
	nulls[1] = lease.isnull;
	values[2] = Int64GetDatum(lease.lease_id);
	nulls[2] = lease.status != LEASE_WON;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

TYPED_FUNCTIONS(cache_lease);

static Datum
cache_fill(FunctionCallInfo fcinfo, ValueKind kind)
{
	CacheNamespace ns;
	CacheWrite	write;
	text	   *key;
	int64		lease_id;

	covet_require_stateful(fcinfo);
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("lease_id");
	lease_id = PG_GETARG_INT64(1);
	if (PG_ARGISNULL(2))
		PG_RETURN_BOOL(begin_read(fcinfo, 5, &ns) &&
					   (key = key_to_find(fcinfo, 0)) != NULL &&
					   covet_cache_give_back(&ns, key, lease_id));
	begin_write(fcinfo, 5, &ns, "cache_fill()");
	key = key_to_write(fcinfo, 0);
	write_options(fcinfo, &ns, 3, 6, -1, &write);
	if (!PG_ARGISNULL(4))
		write.stale = Max(covet_ttl_from_interval(PG_GETARG_INTERVAL_P(4)), 0);
	PG_RETURN_BOOL(covet_cache_fill_entry(&ns, &write, key, lease_id,
									value_to_write(fcinfo, 2, &ns, kind)));
}

TYPED_FUNCTIONS(cache_fill);

/* ------------------------------------------------------------------------
 * Namespaces
 * ------------------------------------------------------------------------ */

/* Raise unless the storage is one that exists. */
static void
check_storage(const char *storage)
{
	if (covet_storage_by_name(storage) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized cache storage \"%s\"", storage),
				 errhint("Storage is \"table\" or \"memory\".")));
}

PG_FUNCTION_INFO_V1(covet_cache_namespace_set);
Datum
covet_cache_namespace_set(PG_FUNCTION_ARGS)
{
	text	   *name = COVET_ARG_TEXT(0);
	Interval   *default_ttl = PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2);
	int64		max_bytes = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	Oid			owner = PG_ARGISNULL(5) ? InvalidOid : PG_GETARG_OID(5);
	char	   *storage;
	char	   *codec;

	covet_require_stateful(fcinfo);
	covet_require_fits(name, 1, COVET_NAMESPACE_MAX, "cache namespace");
	if (PG_ARGISNULL(1))
		covet_null_not_allowed("cache storage");
	if (PG_ARGISNULL(4))
		covet_null_not_allowed("codec");
	storage = text_to_cstring(PG_GETARG_TEXT_PP(1));
	codec = text_to_cstring(PG_GETARG_TEXT_PP(4));
	check_storage(storage);
	(void) covet_codec_choice(codec);
	if (default_ttl != NULL && covet_ttl_from_interval(default_ttl) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("default_ttl must be greater than zero")));
	if (!PG_ARGISNULL(3) && max_bytes <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_bytes must be greater than zero")));
	covet_store_require_writable("cache_namespace_set()");
	covet_namespace_set(name, storage, default_ttl,
						PG_ARGISNULL(3) ? NULL : &max_bytes, codec, owner);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(covet_cache_namespace_drop);
Datum
covet_cache_namespace_drop(PG_FUNCTION_ARGS)
{
	text	   *name = COVET_ARG_TEXT(0);

	covet_require_stateful(fcinfo);
	if (name == NULL)
		covet_null_not_allowed("cache namespace");
	covet_store_require_writable("cache_namespace_drop()");
	PG_RETURN_BOOL(covet_fits(name, COVET_NAMESPACE_MAX) && covet_namespace_drop(name));
}

static void
receive_usage(const text *namespace, int64 entries, int64 bytes, int64 hot_bytes, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[4] = {PointerGetDatum(namespace), Int64GetDatum(entries),
	Int64GetDatum(bytes), Int64GetDatum(hot_bytes)};
	bool		nulls[4] = {0};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(covet__cache_usage);
Datum
covet__cache_usage(PG_FUNCTION_ARGS)
{
	covet_require_stateful(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	covet_cache_usage(receive_usage, fcinfo->resultinfo);
	return (Datum) 0;
}
