/*
 * store_namespace.c
 *		Settings of cache namespaces.
 *
 * They are rows of covet._cache_namespace.  Each backend keeps those it has
 * read, and that a namespace has none, while the epoch of the settings is what
 * it was before it read them: whoever changes them moves the epoch when he
 * commits.  A namespace without a row has the defaults of the settings.  Who
 * may use a namespace is asked each time.  An owner is stored as oid and name: after a restore into
 * another cluster the two may not be one role any more, and then only
 * superusers may use the namespace.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "codec/codec.h"
#include "hot/hot.h"
#include "store/store.h"
#include "store/store_table.h"

enum NamespaceColumn
{
	NAMESPACE_NAMESPACE = 1,
	NAMESPACE_STORAGE,
	NAMESPACE_DEFAULT_TTL,
	NAMESPACE_MAX_BYTES,
	NAMESPACE_CODEC,
	NAMESPACE_OWNER_OID,
	NAMESPACE_OWNER_NAME
};

/* What is known of a namespace, for the life of the backend. */
typedef struct KnownNamespace
{
	char		name[COVET_NAMESPACE_MAX + 1];	/* hash key */
	uint16		space;			/* of slot and homes; 0: not known yet */
	uint32		slot;
	HotHome    *homes[2];		/* of entries in memory, by CacheStorage */
	bool		has_settings;	/* that hold while the epoch is this one */
	uint64		epoch;
	int			storage;		/* a CacheStorage, or UNSET */
	Ttl			default_ttl;	/* or UNSET */
	int64		max_bytes;		/* or UNSET */
	int			codec;
	Oid			owner;			/* or InvalidOid */
	NameData	owner_name;
} KnownNamespace;

#define UNSET	(-1)			/* the setting of the server */

/* So many namespaces are known at a time. */
#define KNOWN_MAX	1024

static HTAB *known = NULL;
static KnownNamespace *last = NULL; /* the one asked for before */

static const HotStore hot_stores[2] = {
	[STORAGE_TABLE] = HOT_CACHE,
	[STORAGE_MEMORY] = HOT_MEMORY,
};

/* May the current user use a namespace with this owner? */
static void
check_owner(const text *namespace, Oid owner, const char *owner_name)
{
	char	   *current;

	if (superuser())
		return;
	current = GetUserNameFromId(owner, true);
	if (current != NULL && strcmp(current, owner_name) == 0 &&
		has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for cache namespace \"%s\"",
					text_to_cstring(namespace)),
			 errdetail("Only members of its owner may use it.")));
}

static int
read_storage(StoreTable *table)
{
	bool		isnull;
	Datum		value = covet_store_get(table, NAMESPACE_STORAGE, &isnull);
	int			storage = covet_storage_by_name(text_to_cstring(DatumGetTextPP(value)));

	if (storage < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unrecognized storage in the settings of a cache namespace")));
	return storage;
}

/* Read the settings of a namespace from the table, with the latest snapshot. */
static void
read_settings(const text *name, KnownNamespace *settings)
{
	StoreTable	table;
	Datum		key = PointerGetDatum(name);

	settings->storage = UNSET;
	settings->default_ttl = UNSET;
	settings->max_bytes = UNSET;
	settings->codec = CODEC_AUTO;
	settings->owner = InvalidOid;

	covet_store_open(&table, TABLE_CACHE_NAMESPACE, AccessShareLock);
	covet_store_search(&table, 0);
	if (covet_store_find(&table, &key, 1))
	{
		bool		isnull;
		Datum		value;

		settings->storage = read_storage(&table);
		value = covet_store_get(&table, NAMESPACE_DEFAULT_TTL, &isnull);
		if (!isnull)
			settings->default_ttl = covet_ttl_from_interval(DatumGetIntervalP(value));
		value = covet_store_get(&table, NAMESPACE_MAX_BYTES, &isnull);
		if (!isnull)
			settings->max_bytes = DatumGetInt64(value);
		value = covet_store_get(&table, NAMESPACE_CODEC, &isnull);
		settings->codec = covet_codec_choice(text_to_cstring(DatumGetTextPP(value)));
		value = covet_store_get(&table, NAMESPACE_OWNER_OID, &isnull);
		if (!isnull)
		{
			settings->owner = DatumGetObjectId(value);
			settings->owner_name =
				*DatumGetName(covet_store_get(&table, NAMESPACE_OWNER_NAME, &isnull));
		}
	}
	covet_store_close(&table);
}

static bool
is_named(const KnownNamespace *namespace, const text *name)
{
	Size		size = VARSIZE_ANY_EXHDR(name);

	return namespace->name[size] == '\0' &&
		memcmp(namespace->name, VARDATA_ANY(name), size) == 0;
}

/*
 * The place to know a namespace in.
 */
static KnownNamespace *
find_known(const text *name)
{
	char		key[COVET_NAMESPACE_MAX + 1] = {0};
	KnownNamespace *namespace;
	bool		found;

	if (last != NULL && is_named(last, name))
		return last;

	last = NULL;
	if (known != NULL && hash_get_num_entries(known) >= KNOWN_MAX)
	{
		hash_destroy(known);
		known = NULL;
	}
	if (known == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(key),.entrysize = sizeof(KnownNamespace)};

		known = hash_create("covet cache namespaces", 64, &ctl, HASH_ELEM | HASH_STRINGS);
	}
	memcpy(key, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	namespace = hash_search(known, key, HASH_ENTER, &found);
	if (!found)
		namespace->space = 0;
	last = namespace;
	return namespace;
}

/* Forget what is known if the extension is another one than it was then. */
static void
check_space(KnownNamespace *namespace, uint16 space)
{
	if (space != 0 && namespace->space == space)
		return;
	namespace->space = space;
	namespace->slot = covet_stamp_namespace_slot(namespace->name, strlen(namespace->name));
	memset(namespace->homes, 0, sizeof(namespace->homes));
	namespace->has_settings = false;
}

/*
 * Settings that hold now: those of *namespace or, where they are read and may
 * not be kept, of *now.
 */
static const KnownNamespace *
current_settings(const text *name, KnownNamespace *namespace, KnownNamespace *now)
{
	uint64		epoch;

	/*
	 * A transaction sees what it has changed itself, and what a transaction that
	 * writes reads is perhaps not committed.  On a standby nobody moves the
	 * epoch.
	 */
	if (!covet_hot_available() || covet_pending_settings_changed())
	{
		read_settings(name, now);
		return now;
	}
	epoch = covet_hot_settings_epoch(namespace->space);
	if (namespace->has_settings && namespace->epoch == epoch)
		return namespace;

	read_settings(name, now);
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return now;
	namespace->storage = now->storage;
	namespace->default_ttl = now->default_ttl;
	namespace->max_bytes = now->max_bytes;
	namespace->codec = now->codec;
	namespace->owner = now->owner;
	namespace->owner_name = now->owner_name;
	namespace->epoch = epoch;
	namespace->has_settings = true;
	return namespace;
}

/*
 * Fill *ns with the settings of a namespace of 1 to COVET_NAMESPACE_MAX bytes;
 * its name stays "name".  Raises 42501 when the current user may not use it.
 */
void
covet_namespace_get(const text *name, CacheNamespace *ns)
{
	KnownNamespace *namespace = find_known(name);
	KnownNamespace now;
	const KnownNamespace *settings;

	check_space(namespace, covet_hot_space());
	settings = current_settings(name, namespace, &now);
	if (OidIsValid(settings->owner))
		check_owner(name, settings->owner, NameStr(settings->owner_name));
	ns->name = name;
	ns->storage = settings->storage == UNSET ? covet_default_storage : settings->storage;
	ns->default_ttl = settings->default_ttl == UNSET
		? covet_ttl_from_seconds(covet_default_ttl) : settings->default_ttl;
	ns->max_bytes = settings->max_bytes == UNSET
		? (int64) covet_default_max_bytes * 1024 : settings->max_bytes;
	ns->codec = settings->codec;
	ns->slot = namespace->slot;
	ns->ops = covet_cache_ops(ns->storage);
	ns->home = namespace->homes[ns->storage];
	if (ns->home == NULL)
		ns->home = namespace->homes[ns->storage] =
			covet_hot_home(hot_stores[ns->storage], VARDATA_ANY(name),
						   VARSIZE_ANY_EXHDR(name), false);
}

/*
 * The home in memory of a namespace's entries (or of the copies of its rows),
 * made if there is none; NULL when there cannot be one more.
 */
HotHome *
covet_namespace_home(CacheNamespace *ns)
{
	if (ns->home == NULL)
		ns->home = covet_hot_home(hot_stores[ns->storage], VARDATA_ANY(ns->name),
								  VARSIZE_ANY_EXHDR(ns->name), true);
	return ns->home;
}

/* The storage that a namespace has for this transaction, its row locked. */
static int
lock_storage(const text *name)
{
	StoreTable	table;
	Datum		key = PointerGetDatum(name);
	int			storage = covet_default_storage;

	covet_store_open(&table, TABLE_CACHE_NAMESPACE, RowExclusiveLock);
	covet_store_search(&table, 0);
	if (covet_store_find(&table, &key, 1) && covet_store_lock(&table, true) == STORE_LOCKED)
		storage = read_storage(&table);
	covet_store_close(&table);
	return storage;
}

/*
 * Store all settings of a namespace: default_ttl and max_bytes are NULL
 * pointers, and owner InvalidOid, for the defaults.  Another storage than
 * before ends all entries.
 */
void
covet_namespace_set(const text *name, const char *storage, const Interval *default_ttl,
					const int64 *max_bytes, const char *codec, Oid owner)
{
	static StorePlan plan = {
		.sql = "INSERT INTO covet._cache_namespace"
		" (namespace, storage, default_ttl, max_bytes, codec, owner_oid, owner_name)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (namespace) DO UPDATE SET storage = excluded.storage,"
		" default_ttl = excluded.default_ttl, max_bytes = excluded.max_bytes,"
		" codec = excluded.codec, owner_oid = excluded.owner_oid,"
		" owner_name = excluded.owner_name",
		.nargs = 7,
		.argtypes = {TEXTOID, TEXTOID, INTERVALOID, INT8OID, TEXTOID, OIDOID, NAMEOID},
	};
	NameData	owner_name;
	Datum		values[7];
	char		nulls[8] = "       ";

	values[0] = PointerGetDatum(name);
	values[1] = CStringGetTextDatum(storage);
	values[2] = IntervalPGetDatum(default_ttl);
	nulls[2] = default_ttl == NULL ? 'n' : ' ';
	values[3] = max_bytes == NULL ? (Datum) 0 : Int64GetDatum(*max_bytes);
	nulls[3] = max_bytes == NULL ? 'n' : ' ';
	values[4] = CStringGetTextDatum(codec);
	values[5] = ObjectIdGetDatum(owner);
	nulls[5] = OidIsValid(owner) ? ' ' : 'n';
	if (OidIsValid(owner))
		namestrcpy(&owner_name, GetUserNameFromId(owner, false));
	values[6] = NameGetDatum(&owner_name);
	nulls[6] = nulls[5];

	/* What the former storage keeps must not show when it comes back. */
	if (lock_storage(name) != covet_storage_by_name(storage))
		covet_pending_clear(covet_stamp_namespace_slot(VARDATA_ANY(name),
													   VARSIZE_ANY_EXHDR(name)));
	covet_pending_settings();
	covet_store_execute(&plan, TABLE_CACHE_NAMESPACE, values, nulls, NULL, NULL, NULL);
}

/*
 * End all entries of a namespace and forget its settings; were there any?
 */
bool
covet_namespace_drop(const text *name)
{
	StoreTable	table;
	Datum		key = PointerGetDatum(name);
	bool		dropped;

	covet_pending_clear(covet_stamp_namespace_slot(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
	covet_pending_settings();
	covet_store_open(&table, TABLE_CACHE_NAMESPACE, RowExclusiveLock);
	covet_store_search(&table, 0);
	dropped = covet_store_find(&table, &key, 1) &&
		covet_store_lock(&table, true) == STORE_LOCKED;
	if (dropped)
		covet_store_delete(&table);
	covet_store_close(&table);
	return dropped;
}
