/*
 * store_namespace.c
 *		Settings of cache namespaces.
 *
 * They are rows of covet._cache_namespace, read with the latest snapshot by
 * every operation on a namespace.  A namespace without a row has the defaults
 * of the settings.  An owner is stored as oid and name: after a restore into
 * another cluster the two may not be one role any more, and then only
 * superusers may use the namespace.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
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

/* May the current user use a namespace with this owner? */
static void
check_owner(const text *namespace, Oid owner, const char *owner_name)
{
	char	   *current = GetUserNameFromId(owner, true);

	if (superuser())
		return;
	if (current != NULL && strcmp(current, owner_name) == 0 &&
		has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for cache namespace \"%s\"",
					text_to_cstring(namespace)),
			 errdetail("Only members of its owner may use it.")));
}

/*
 * Read the settings of a namespace into *ns, whose name stays "name".  Raises
 * 42501 when the current user may not use it.
 */
void
covet_namespace_get(const text *name, CacheNamespace *ns)
{
	StoreTable	table;
	Datum		key = PointerGetDatum(name);

	memset(ns, 0, sizeof(*ns));
	ns->name = name;
	ns->storage = covet_default_storage;
	ns->default_ttl = covet_ttl_from_seconds(covet_default_ttl);
	ns->max_bytes = (int64) covet_default_max_bytes * 1024;
	ns->codec = CODEC_AUTO;
	ns->slot = covet_stamp_namespace_slot(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	covet_store_open(&table, TABLE_CACHE_NAMESPACE, AccessShareLock);
	covet_store_search(&table, 0);
	if (covet_store_find(&table, &key, 1))
	{
		bool		isnull;
		Datum		value;

		value = covet_store_get(&table, NAMESPACE_OWNER_OID, &isnull);
		if (!isnull)
			check_owner(name, DatumGetObjectId(value),
						NameStr(*DatumGetName(covet_store_get(&table, NAMESPACE_OWNER_NAME, &isnull))));
		value = covet_store_get(&table, NAMESPACE_STORAGE, &isnull);
		ns->storage = covet_storage_by_name(text_to_cstring(DatumGetTextPP(value)));
		value = covet_store_get(&table, NAMESPACE_DEFAULT_TTL, &isnull);
		if (!isnull)
			ns->default_ttl = covet_ttl_from_interval(DatumGetIntervalP(value));
		value = covet_store_get(&table, NAMESPACE_MAX_BYTES, &isnull);
		if (!isnull)
			ns->max_bytes = DatumGetInt64(value);
		value = covet_store_get(&table, NAMESPACE_CODEC, &isnull);
		ns->codec = covet_codec_choice(text_to_cstring(DatumGetTextPP(value)));
	}
	covet_store_close(&table);
	ns->ops = covet_cache_ops(ns->storage);
}

/*
 * Store all settings of a namespace: default_ttl and max_bytes are NULL
 * pointers, and owner InvalidOid, for the defaults.
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
	covet_store_open(&table, TABLE_CACHE_NAMESPACE, RowExclusiveLock);
	covet_store_search(&table, 0);
	dropped = covet_store_find(&table, &key, 1) &&
		covet_store_lock(&table, true) == STORE_LOCKED;
	if (dropped)
		covet_store_delete(&table);
	covet_store_close(&table);
	return dropped;
}
