/*
 * shmem.c
 *		Shared memory of all rooms, requested and attached in one place.
 *
 * Each room describes its segment with a ShmemRoom record; the two hooks of
 * PostgreSQL are installed once, here.  The startup hook runs in the
 * postmaster at every start, also at the restart after a crash, and (under
 * EXEC_BACKEND only) in each child.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/shmem.h"

static ShmemRoom *rooms = NULL;
static ShmemRoom **rooms_end = &rooms;
static bool preloaded = false;
static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
request_hook(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	for (ShmemRoom *room = rooms; room != NULL; room = room->next)
	{
		RequestAddinShmemSpace(MAXALIGN(room->size()));
		if (room->tranche != NULL)
			RequestNamedLWLockTranche(room->tranche, room->locks);
	}
}

static void
startup_hook(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (ShmemRoom *room = rooms; room != NULL; room = room->next)
	{
		bool		found;

		*room->segment = ShmemInitStruct(room->name, room->size(), &found);
		if (!found)
			room->init(*room->segment);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Install the hooks; called once from _PG_init while preloading.
 */
void
covet_shmem_install(void)
{
	preloaded = true;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_hook;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_hook;
}

/*
 * Add a room's segment; "room" must live as long as the process.  Segments are
 * filled in the order of these calls, so a room may use one added earlier.
 */
void
covet_shmem_register(ShmemRoom *room)
{
	*rooms_end = room;
	rooms_end = &room->next;
}

/*
 * Was covet loaded by shared_preload_libraries?
 */
bool
covet_preloaded(void)
{
	return preloaded;
}

/*
 * Raise 55000 unless covet was preloaded.
 */
void
covet_require_preload(void)
{
	if (!preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("covet must be loaded via \"shared_preload_libraries\""),
				 errhint("Add covet to shared_preload_libraries in postgresql.conf and restart the server.")));
}
