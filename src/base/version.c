/*
 * version.c
 *		64-bit versions that rise with each write and never repeat.
 *
 * A version is (boot number << 32) + a counter in shared memory.  The boot
 * number is max(seconds since 2000, last boot + 1): a small file in the data
 * directory keeps the last one.  It is written and fsynced at every start, a
 * crash restart included, before any version is given out.  So versions rise
 * though a clock goes back or two crashes fall in one second, if_version has
 * no ABA, and what was read before a crash never equals what comes after.
 *
 * Without the file (a new cluster, or somebody removed it) the clock decides.
 * A file that is there but cannot be read as ours stops the start: to guess
 * would be to repeat versions.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "base/shmem.h"
#include "base/version.h"

#define BOOT_FILE		"covet.boot"
#define BOOT_FILE_TMP	"covet.boot.tmp"
#define BOOT_MAGIC		0xC0BE7001

/* The file's whole content. */
typedef struct BootRecord
{
	uint32		magic;
	uint32		boot;			/* the last boot number given out */
	pg_crc32c	crc;			/* of the two above */
} BootRecord;

typedef struct VersionShared
{
	pg_atomic_uint64 next;
} VersionShared;

static VersionShared *shared = NULL;

static pg_crc32c
boot_crc(const BootRecord *record)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, record, offsetof(BootRecord, crc));
	FIN_CRC32C(crc);
	return crc;
}

/* The saved boot number, or 0 when there is no file. */
static uint32
read_boot(void)
{
	BootRecord	record;
	int			fd = OpenTransientFile(BOOT_FILE, O_RDONLY | PG_BINARY);
	int			got;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return 0;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", BOOT_FILE)));
	}
	got = read(fd, &record, sizeof(record));
	CloseTransientFile(fd);
	if (got != sizeof(record) || record.magic != BOOT_MAGIC ||
		record.crc != boot_crc(&record))
		ereport(FATAL,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" in the data directory is damaged", BOOT_FILE),
				 errhint("If the clock has not been set back since the last start, remove the file.")));
	return record.boot;
}

static void
write_boot(uint32 boot)
{
	BootRecord	record = {.magic = BOOT_MAGIC, .boot = boot};
	int			fd;

	record.crc = boot_crc(&record);
	fd = OpenTransientFile(BOOT_FILE_TMP, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0 || write(fd, &record, sizeof(record)) != sizeof(record))
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", BOOT_FILE_TMP)));
	if (CloseTransientFile(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", BOOT_FILE_TMP)));

	/* Syncs the file, renames it and syncs the directory. */
	(void) durable_rename(BOOT_FILE_TMP, BOOT_FILE, FATAL);
}

static Size
shared_size(void)
{
	return sizeof(VersionShared);
}

static void
init_shared(void *segment)
{
	uint32		boot = (uint32) (GetCurrentTimestamp() / USECS_PER_SEC);
	uint32		saved = read_boot();

	boot = Max(boot, saved + 1);
	write_boot(boot);
	pg_atomic_init_u64(&((VersionShared *) segment)->next, (uint64) boot << 32);
}

static ShmemRoom room = {
	.name = "CovetVersion",
	.size = shared_size,
	.init = init_shared,
	.segment = (void **) &shared,
};

/*
 * Register the shared counter; while preloading only.
 */
void
covet_version_init(void)
{
	covet_shmem_register(&room);
}

/*
 * A version higher than every one given out before, on this cluster.
 */
int64
covet_next_version(void)
{
	return (int64) pg_atomic_fetch_add_u64(&shared->next, 1);
}
