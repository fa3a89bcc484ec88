/*
 * registry.c
 *		The databases that use covet, and what the workers keep of each.
 *
 * A fixed array in shared memory with covet.max_databases entries.  A database
 * is noted by the first stateful call of each backend in it, or by the
 * launcher's visit at start; it is forgotten when a tick finds that the
 * extension is gone, or the launcher that the database is.
 *
 * Noting costs one atomic read once a backend has done it: it remembers the
 * number of removals at that time, and notes again only when that has changed.
 * So neither DROP and CREATE EXTENSION nor a full array make it take the lock
 * at each call.  Because the extension may have been created in the very
 * transaction that notes, and a tick that looks before it commits forgets the
 * database, a backend notes once more when that transaction has committed.
 *
 * Locks.  One LWLock guards all entries and the launcher's latch; it is held
 * for a walk through the array at most, and no other lock is taken under it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/registry.h"
#include "base/shmem.h"

#define TRANCHE "CovetRegistry"

typedef struct Registry
{
	pg_atomic_uint64 removals;	/* rises when an entry becomes free */
	LWLock	   *lock;
	Latch	   *latch;			/* the launcher's, or NULL */
	bool		overflowed;		/* somebody found no free entry */
	int			size;			/* entries */
	DatabaseEntry entries[FLEXIBLE_ARRAY_MEMBER];
} Registry;

static Registry *registry = NULL;

/* The number of removals when this backend noted its database. */
static uint64 noted_at = PG_UINT64_MAX;
static bool noted_in_transaction = false;
static bool callback_registered = false;

static Size
registry_size(void)
{
	return offsetof(Registry, entries) +
		sizeof(DatabaseEntry) * (Size) covet_max_databases;
}

static void
init_registry(void *segment)
{
	Registry   *new = segment;

	memset(new, 0, registry_size());
	pg_atomic_init_u64(&new->removals, 0);
	new->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	new->size = covet_max_databases;
}

static ShmemRoom room = {
	.name = "CovetRegistry",
	.size = registry_size,
	.init = init_registry,
	.segment = (void **) &registry,
	.tranche = TRANCHE,
	.locks = 1,
};

/*
 * Register the array; while preloading only, after the settings exist.
 */
void
covet_registry_init(void)
{
	covet_shmem_register(&room);
}

/* The entry of a database, or NULL.  The lock is held. */
static DatabaseEntry *
find_locked(Oid database)
{
	for (int i = 0; i < registry->size; i++)
		if (registry->entries[i].database == database)
			return &registry->entries[i];
	return NULL;
}

/* Note again after the transaction that noted first: see the file's head. */
static void
xact_callback(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (noted_in_transaction && event == XACT_EVENT_COMMIT)
		(void) covet_registry_add(MyDatabaseId);
	noted_in_transaction = false;
}

/*
 * Note the current database, so that the workers sweep it; cheap when this
 * backend has done so before.  covet is preloaded and a transaction is open.
 */
void
covet_registry_note(void)
{
	uint64		removals = pg_atomic_read_u64(&registry->removals);

	if (likely(removals == noted_at))
		return;
	if (!callback_registered)
	{
		RegisterXactCallback(xact_callback, NULL);
		callback_registered = true;
	}
	(void) covet_registry_add(MyDatabaseId);
	noted_at = removals;
	noted_in_transaction = true;
}

/*
 * Add a database unless it is there; false when the array is full, which is
 * logged once until an entry becomes free.  Wakes the launcher.
 */
bool
covet_registry_add(Oid database)
{
	DatabaseEntry *entry;
	bool		added = false;
	bool		log = false;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = find_locked(database);
	if (entry == NULL)
	{
		entry = find_locked(InvalidOid);
		if (entry != NULL)
		{
			memset(entry, 0, sizeof(DatabaseEntry));
			entry->database = database;
			entry->interval = (int64) covet_sweep_min_interval * 1000;
			entry->next_tick = GetCurrentTimestamp() + entry->interval;
			added = true;
		}
		else if (!registry->overflowed)
			log = registry->overflowed = true;
	}
	if (entry != NULL)
		entry->notes++;
	if ((added || log) && registry->latch != NULL)
		SetLatch(registry->latch);
	LWLockRelease(registry->lock);

	if (log)
		ereport(LOG,
				(errmsg("database with OID %u is not swept: covet serves %d databases already",
						database, covet_max_databases),
				 errhint("Raise \"covet.max_databases\" and restart the server.")));
	return entry != NULL;
}

/*
 * How often a database was noted; 0 when it is not there.
 */
uint32
covet_registry_notes(Oid database)
{
	DatabaseEntry *entry;
	uint32		notes;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = find_locked(database);
	notes = entry != NULL ? entry->notes : 0;
	LWLockRelease(registry->lock);
	return notes;
}

/*
 * Free the entry of a database, if there is one; with "notes" only when it was
 * not noted again since that was read.
 */
void
covet_registry_forget(Oid database, const uint32 *notes)
{
	DatabaseEntry *entry;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = find_locked(database);
	if (entry != NULL && (notes == NULL || *notes == entry->notes))
	{
		memset(entry, 0, sizeof(DatabaseEntry));
		registry->overflowed = false;
		pg_atomic_fetch_add_u64(&registry->removals, 1);
	}
	LWLockRelease(registry->lock);
}

/*
 * The entry of a database for reading and changing, with the lock held until
 * covet_registry_unlock; NULL, and no lock, when there is none.
 */
DatabaseEntry *
covet_registry_lock(Oid database)
{
	DatabaseEntry *entry;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = find_locked(database);
	if (entry == NULL)
		LWLockRelease(registry->lock);
	return entry;
}

/*
 * Give the lock back.
 */
void
covet_registry_unlock(void)
{
	LWLockRelease(registry->lock);
}

/*
 * A palloc'd copy of the entries in use.
 */
DatabaseEntry *
covet_registry_copy(int *count)
{
	DatabaseEntry *copy = palloc(sizeof(DatabaseEntry) * registry->size);

	*count = 0;
	LWLockAcquire(registry->lock, LW_SHARED);
	for (int i = 0; i < registry->size; i++)
		if (OidIsValid(registry->entries[i].database))
			copy[(*count)++] = registry->entries[i];
	LWLockRelease(registry->lock);
	return copy;
}

/*
 * Have this latch set when a database is added or finds no room; NULL for
 * nobody's.
 */
void
covet_registry_wake(Latch *latch)
{
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	registry->latch = latch;
	LWLockRelease(registry->lock);
}

/*
 * Did a database find no room since an entry last became free?
 */
bool
covet_registry_overflowed(void)
{
	bool		overflowed;

	LWLockAcquire(registry->lock, LW_SHARED);
	overflowed = registry->overflowed;
	LWLockRelease(registry->lock);
	return overflowed;
}
