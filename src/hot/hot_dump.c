/*
 * hot_dump.c
 *		The file that takes the hot tier over a clean restart.
 *
 * When the postmaster ends after a shutdown checkpoint it writes covet.hot in
 * the data directory: the stamps, the entries of memory namespaces, the touches
 * of sessions and cache entries that no row has yet, locks and rate limits.  At
 * the next start it reads and removes the file before anybody is served.
 * Leases are not in it, because who held one is gone, nor are counters, which
 * count from the start.
 *
 * What the file is worth depends on nothing having happened since.  So it
 * names the cluster and the shutdown checkpoint it belongs to, and counts only
 * where pg_control still says the same: not after a crash, on a standby, with
 * a file from a backup, or after a start without covet.  It also ends with a
 * checksum, which is compared before anything is taken from it.
 *
 * Without a file that counts, memory namespaces are empty, locks and rate
 * limits are free, and rows of the unlogged cache written before this boot
 * count as absent, because clears may have been forgotten: stamps then begin
 * with numbers that no row carries.  Rows of sessions stay: whoever ends a
 * session removes or changes the row, so all there is to lose are touches since
 * the last tick of the worker, and those of less than a tenth of the idle time.
 *
 * Entries carry their versions, but neither stamps nor hashes: only entries
 * that nobody has cleared are written, so they take the stamps that stand when
 * they come back, and the hash has another seed.  They are written oldest first
 * and come in through the same door as any other, so where they no longer fit
 * the oldest are evicted.
 *
 * Format: DumpHeader; the stamps; then records, each a DumpKind, its struct and
 * the bytes that the struct counts; at last the CRC-32C of all before.  A home
 * stands before the first entry that names it.
 *
 * Locks: none are waited for.  The postmaster has no children when it writes
 * and none yet when it reads.
 */
#include "postgres.h"

#include <unistd.h>
#include <sys/stat.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "hot/hot_limit.h"
#include "hot/hot_shared.h"
#include "hot/hot_table.h"

#define DUMP_FILE		"covet.hot"
#define DUMP_FILE_TMP	"covet.hot.tmp"
#define DUMP_MAGIC		0xC0BE4071	/* the last two digits: version of the format */

typedef struct DumpHeader
{
	uint32		magic;
	uint32		slots;			/* stamps that follow */
	uint64		system;			/* identifier of the cluster */
	uint64		checkpoint;		/* place of the shutdown checkpoint */
} DumpHeader;

typedef enum DumpKind
{
	DUMP_END,					/* nothing follows but the checksum */
	DUMP_HOME,
	DUMP_ENTRY,
	DUMP_TOUCH,
	DUMP_LIMIT					/* a LimitRecord: a lock or a rate limit */
} DumpKind;

/* Followed by the name. */
typedef struct DumpHome
{
	Oid			database;
	Oid			schema;
	uint16		id;				/* in this file */
	uint8		store;
	uint8		name_size;
} DumpHome;

/* Followed by key, tags (each a byte of length and its bytes) and payload. */
typedef struct DumpEntry
{
	int64		version;
	TimestampTz expires_at;
	TimestampTz stale_until;	/* or 0 */
	Ttl			idle;			/* or 0 */
	TimestampTz seen_at;
	uint32		size;			/* of the payload */
	uint16		tags_size;
	uint16		key_size;
	uint16		home;
	uint8		head;
	uint8		ntags;
} DumpEntry;

/* Followed by the key. */
typedef struct DumpTouch
{
	TimestampTz expires_at;
	Ttl			idle;
	TimestampTz seen_at;
	TimestampTz saved;			/* what the row knows */
	uint16		key_size;
	uint16		home;
} DumpTouch;

typedef struct DumpWriter
{
	FILE	   *file;
	pg_crc32c	crc;
	TimestampTz now;
	bool		homes[1 + HOT_HOMES];	/* written */
	HotLink		next[HOT_PARTITIONS_MAX];	/* entry of each partition; 0: no more */
	int64		versions[HOT_PARTITIONS_MAX];	/* of next */
} DumpWriter;

typedef struct DumpReader
{
	FILE	   *file;
	uint64		left;			/* bytes up to the checksum */
	TimestampTz now;
	int64		entries;		/* that came back */
	HotHome    *homes[1 + HOT_HOMES];	/* by the id in the file, or NULL */
} DumpReader;

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * The checkpoint that the last clean shutdown of a primary ended with; false
 * when the cluster was not shut down cleanly, or is running.
 */
static bool
shutdown_checkpoint(DumpHeader *header)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	bool		clean = crc_ok && control->state == DB_SHUTDOWNED;

	header->system = control->system_identifier;
	header->checkpoint = control->checkPoint;
	pfree(control);
	return clean;
}

/* ------------------------------------------------------------------------
 * Writing.  Errors of the file are kept by stdio and looked at in the end.
 * ------------------------------------------------------------------------ */

static void
put(DumpWriter *writer, const void *bytes, Size size)
{
	COMP_CRC32C(writer->crc, bytes, size);
	(void) fwrite(bytes, 1, size, writer->file);
}

static void
put_kind(DumpWriter *writer, DumpKind kind)
{
	uint8		byte = (uint8) kind;

	put(writer, &byte, sizeof(byte));
}

static void
put_header(DumpWriter *writer, DumpHeader *header)
{
	header->magic = DUMP_MAGIC;
	header->slots = HOT_SLOTS;
	put(writer, header, sizeof(*header));
	for (uint32 slot = 0; slot < HOT_SLOTS; slot++)
	{
		int64		stamp = covet_stamp_get(slot);

		put(writer, &stamp, sizeof(stamp));
	}
}

/* Make sure that the home of an entry stands in the file. */
static void
put_home(DumpWriter *writer, const HotHome *home)
{
	DumpHome	record;

	if (writer->homes[home->id])
		return;
	writer->homes[home->id] = true;

	memset(&record, 0, sizeof(record));
	covet_hot_space_oids(home->space, &record.database, &record.schema);
	record.id = home->id;
	record.store = home->store;
	record.name_size = home->name_size;
	put_kind(writer, DUMP_HOME);
	put(writer, &record, sizeof(record));
	put(writer, home->name, home->name_size);
}

static void
put_payload(DumpWriter *writer, HotPartition *partition, HotEntry *entry, const char *payload)
{
	HotLink		link;
	Size		left = entry->size;

	if (!(entry->flags & HOT_PIECES))
	{
		put(writer, payload, left);
		return;
	}
	for (memcpy(&link, payload, sizeof(link)); left > 0; link = piece_at(partition, link)->next)
	{
		Size		part = Min(left, PIECE_BYTES);

		put(writer, piece_at(partition, link)->bytes, part);
		left -= part;
	}
}

static void
put_entry(DumpWriter *writer, HotPartition *partition, HotEntry *entry)
{
	const char *tags;
	const char *payload = covet_entry_payload(entry, &tags);
	DumpEntry	record;

	memset(&record, 0, sizeof(record));
	record.version = entry->version;
	record.expires_at = entry->expires_at;
	if (entry->flags & HOT_STALE_TAIL)
		record.stale_until = covet_entry_stale(entry)->stale_until;
	if (entry->flags & HOT_IDLE)
	{
		record.idle = covet_entry_idle(entry)->idle;
		record.seen_at = (TimestampTz) pg_atomic_read_u64(&covet_entry_idle(entry)->seen);
	}
	record.size = entry->size;
	record.tags_size = (uint16) (payload - tags);
	record.key_size = entry->key_size;
	record.home = entry->home;
	record.head = entry->head;
	record.ntags = entry->ntags;

	put_home(writer, covet_hot_home_by_id(entry->home));
	put_kind(writer, DUMP_ENTRY);
	put(writer, &record, sizeof(record));
	put(writer, covet_entry_key(entry), entry->key_size);
	put(writer, tags, record.tags_size);
	put_payload(writer, partition, entry, payload);
}

static void
put_touch(DumpWriter *writer, HotEntry *entry)
{
	IdleTail   *idle = covet_entry_idle(entry);
	DumpTouch	record;

	memset(&record, 0, sizeof(record));
	record.expires_at = entry->expires_at;
	record.idle = idle->idle;
	record.seen_at = (TimestampTz) pg_atomic_read_u64(&idle->seen);
	record.saved = idle->saved;
	record.key_size = entry->key_size;
	record.home = entry->home;

	put_home(writer, covet_hot_home_by_id(entry->home));
	put_kind(writer, DUMP_TOUCH);
	put(writer, &record, sizeof(record));
	put(writer, covet_entry_key(entry), entry->key_size);
}

/* Write an entry if it is worth it. */
static void
put_worthy(DumpWriter *writer, HotPartition *partition, HotEntry *entry)
{
	if (covet_entry_over(entry, writer->now) || covet_entry_cleared(entry, false))
		return;
	if (covet_hot_home_by_id(entry->home)->store != HOT_MEMORY)
	{
		if (covet_entry_touched(entry))
			put_touch(writer, entry);
	}
	else if ((entry->flags & HOT_NO_VALUE) == 0)
		put_entry(writer, partition, entry);
}

/* Note the next entry of a partition. */
static void
set_next(DumpWriter *writer, uint32 i, HotLink link)
{
	writer->next[i] = link;
	writer->versions[i] = link == 0 ? PG_INT64_MAX : entry_at(partition_at(i), link)->version;
}

/*
 * Write the entries, the oldest first.  Each partition has them in that order;
 * versions tell the order between partitions.
 */
static void
put_entries(DumpWriter *writer)
{
	uint32		count = covet_hot_table->npartitions;

	for (uint32 i = 0; i < count; i++)
		set_next(writer, i, partition_at(i)->values.oldest);
	for (;;)
	{
		uint32		oldest = 0;
		HotEntry   *entry;

		for (uint32 i = 1; i < count; i++)
			if (writer->versions[i] < writer->versions[oldest])
				oldest = i;
		if (writer->next[oldest] == 0)
			return;
		entry = entry_at(partition_at(oldest), writer->next[oldest]);
		put_worthy(writer, partition_at(oldest), entry);
		set_next(writer, oldest, entry->newer);
	}
}

/* Write a lock or a rate limit. */
static void
put_limit(const LimitRecord *record, void *arg)
{
	put_kind(arg, DUMP_LIMIT);
	put(arg, record, sizeof(*record));
}

/* Write all to an open file; false when that failed. */
static bool
write_all(FILE *file, DumpHeader *header)
{
	static DumpWriter writer;

	memset(&writer, 0, sizeof(writer));
	writer.file = file;
	writer.now = covet_now();
	INIT_CRC32C(writer.crc);

	put_header(&writer, header);
	put_entries(&writer);
	covet_limit_dump(writer.now, put_limit, &writer);
	put_kind(&writer, DUMP_END);

	FIN_CRC32C(writer.crc);
	(void) fwrite(&writer.crc, sizeof(writer.crc), 1, file);
	return fflush(file) == 0 && !ferror(file);
}

/*
 * Callback at the end of the postmaster.  After an immediate stop or a crash
 * there is no shutdown checkpoint, so nothing is written: a child may have
 * been killed in the middle of a change.
 */
static void
write_file(int code, Datum arg)
{
	DumpHeader	header;
	FILE	   *file;
	bool		written;

	memset(&header, 0, sizeof(header));
	if (code != 0 || covet_hot_table == NULL || !shutdown_checkpoint(&header))
		return;

	file = AllocateFile(DUMP_FILE_TMP, PG_BINARY_W);
	written = file != NULL && write_all(file, &header);
	if (!written)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", DUMP_FILE_TMP)));
	if (file != NULL && FreeFile(file) != 0 && written)
	{
		written = false;
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", DUMP_FILE_TMP)));
	}

	/* Syncs the file, renames it and syncs the directory. */
	if (!written || durable_rename(DUMP_FILE_TMP, DUMP_FILE, LOG) != 0)
		(void) unlink(DUMP_FILE_TMP);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

static bool
get(DumpReader *reader, void *bytes, Size size)
{
	if (size > reader->left || fread(bytes, 1, size, reader->file) != size)
		return false;
	reader->left -= size;
	return true;
}

/* Get the home that entries with this id belong to. */
static bool
get_home(DumpReader *reader)
{
	DumpHome	record;
	char		name[COVET_NAMESPACE_MAX];
	uint16		space;

	if (!get(reader, &record, sizeof(record)) || record.id == 0 ||
		record.id > HOT_HOMES || record.store >= NUM_HOT_STORES ||
		record.name_size > sizeof(name) || !get(reader, name, record.name_size))
		return false;
	space = covet_hot_space_of(record.database, record.schema);
	if (space != 0)
		reader->homes[record.id] = covet_hot_home_in(space, record.store, name,
													 record.name_size, true);
	return true;
}

/*
 * Get the bytes that follow a record, palloc'd; NULL when they do not, or there
 * is no memory for them.
 */
static char *
get_bytes(DumpReader *reader, Size size)
{
	char	   *bytes;

	if (size > reader->left)
		return NULL;
	bytes = palloc_extended(Max(size, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	return bytes != NULL && get(reader, bytes, size) ? bytes : NULL;
}

/* Link what was prepared, if it was. */
static void
link_block(DumpReader *reader, const HotKey *key, HotBlock *block)
{
	if (covet_hot_link(key, block, HOT_ALWAYS, 0, reader->now, NULL))
		reader->entries++;
}

/* Make texts and stamps of tags; false when they are not as the record says. */
static bool
parse_tags(HotContent *content, const HotHome *home, const char *bytes, Size size)
{
	const char *end = bytes + size;
	text	  **tags = palloc(sizeof(text *) * COVET_TAGS_MAX);
	int64	   *stamps = palloc(sizeof(int64) * COVET_TAGS_MAX);

	for (int i = 0; i < content->ntags; i++)
	{
		Size		length = bytes < end ? *(const uint8 *) bytes++ : PG_UINT8_MAX;

		if (length > (Size) (end - bytes))
			return false;
		tags[i] = palloc(VARHDRSZ + length);
		SET_VARSIZE(tags[i], VARHDRSZ + length);
		memcpy(VARDATA(tags[i]), bytes, length);
		stamps[i] = covet_stamp_get(covet_stamp_tag_slot(home->slot, bytes, length));
		bytes += length;
	}
	content->tags = (const text *const *) tags;
	content->tag_stamps = stamps;
	return bytes == end;
}

static bool
get_entry(DumpReader *reader)
{
	DumpEntry	record;
	HotContent	content;
	HotHome    *home;
	HotKey		key;
	HotBlock	block;
	char	   *bytes;

	if (!get(reader, &record, sizeof(record)) || record.home > HOT_HOMES ||
		record.key_size > COVET_KEY_MAX || record.ntags > COVET_TAGS_MAX)
		return false;
	bytes = get_bytes(reader, (Size) record.key_size + record.tags_size + record.size);
	if (bytes == NULL)
		return false;
	home = reader->homes[record.home];
	if (home == NULL)
		return true;

	memset(&content, 0, sizeof(content));
	content.head = record.head;
	content.size = record.size;
	content.bytes = bytes + record.key_size + record.tags_size;
	content.version = record.version;
	content.expires_at = record.expires_at;
	content.stale_until = record.stale_until;
	content.idle = record.idle;
	content.seen_at = record.seen_at;
	content.stamp = covet_stamp_get(home->slot);
	content.ntags = record.ntags;
	if (!parse_tags(&content, home, bytes + record.key_size, record.tags_size))
		return false;

	covet_hot_key(&key, home, bytes, record.key_size);
	if (covet_hot_prepare(&key, &content, &block))
		link_block(reader, &key, &block);
	return true;
}

/* Get a touch; it comes back as what a dropped copy leaves. */
static bool
get_touch(DumpReader *reader)
{
	DumpTouch	record;
	HotContent	content;
	HotHome    *home;
	HotKey		key;
	HotBlock	block;
	char	   *bytes;

	if (!get(reader, &record, sizeof(record)) || record.home > HOT_HOMES ||
		record.key_size > COVET_KEY_MAX || record.idle <= 0)
		return false;
	bytes = get_bytes(reader, record.key_size);
	if (bytes == NULL)
		return false;
	home = reader->homes[record.home];
	if (home == NULL)
		return true;

	memset(&content, 0, sizeof(content));
	content.expires_at = record.expires_at;
	content.idle = record.idle;
	content.seen_at = record.seen_at;
	content.stamp = covet_stamp_get(home->slot);

	covet_hot_key(&key, home, bytes, record.key_size);
	if (covet_hot_prepare(&key, &content, &block))
	{
		HotEntry   *entry = entry_at(partition_at(block.partition), block.entry);

		entry->flags |= HOT_IS_REMNANT;
		covet_entry_idle(entry)->saved = record.saved;
		link_block(reader, &key, &block);
	}
	return true;
}

/* Get a lock or a rate limit; one that does not fit in is left out. */
static bool
get_limit(DumpReader *reader)
{
	LimitRecord record;

	if (!get(reader, &record, sizeof(record)))
		return false;
	(void) covet_limit_load(&record);
	return true;
}

/* Take in one record; false when it is not what it should be. */
static bool
get_record(DumpReader *reader, uint8 kind)
{
	switch (kind)
	{
		case DUMP_HOME:
			return get_home(reader);
		case DUMP_ENTRY:
			return get_entry(reader);
		case DUMP_TOUCH:
			return get_touch(reader);
		case DUMP_LIMIT:
			return get_limit(reader);
	}
	return false;
}

/* Take in all that follows the header and is checked; false when it is odd. */
static bool
read_records(DumpReader *reader)
{
	Size		size = sizeof(int64) * HOT_SLOTS;
	int64	   *stamps = palloc(size);
	MemoryContext context;
	MemoryContext old;
	uint8		kind;
	bool		sound;

	if (!get(reader, stamps, size))
		return false;
	covet_stamp_restore(stamps);

	context = AllocSetContextCreate(CurrentMemoryContext, "covet record",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	while ((sound = get(reader, &kind, sizeof(kind))) && kind != DUMP_END)
	{
		if (!(sound = get_record(reader, kind)))
			break;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return sound && reader->left == 0;
}

/*
 * Does the file end with the checksum of all before?  Leaves the reader at the
 * start of the file.
 */
static bool
is_whole(DumpReader *reader)
{
	const Size	size = 64 * 1024;
	char	   *buffer = palloc(size);
	struct stat st;
	pg_crc32c	crc;
	pg_crc32c	expected;
	uint64		length;

	if (fstat(fileno(reader->file), &st) != 0 || st.st_size < (off_t) sizeof(crc))
		return false;
	length = (uint64) st.st_size - sizeof(crc);

	INIT_CRC32C(crc);
	reader->left = length;
	while (reader->left > 0)
	{
		Size		part = Min(size, reader->left);

		if (!get(reader, buffer, part))
			return false;
		COMP_CRC32C(crc, buffer, part);
	}
	FIN_CRC32C(crc);
	if (fread(&expected, sizeof(expected), 1, reader->file) != 1 || expected != crc ||
		fseek(reader->file, 0, SEEK_SET) != 0)
		return false;
	reader->left = length;
	pfree(buffer);
	return true;
}

/* Read an open file; NULL when all is well, else why it is not taken. */
static const char *
read_open_file(FILE *file, const DumpHeader *shutdown)
{
	static DumpReader reader;
	DumpHeader	header;

	memset(&reader, 0, sizeof(reader));
	reader.file = file;
	reader.now = covet_now();
	if (!is_whole(&reader) || !get(&reader, &header, sizeof(header)))
		return "It is damaged.";
	if (header.magic != DUMP_MAGIC || header.slots != HOT_SLOTS)
		return "It was written by another version of covet.";
	if (header.system != shutdown->system || header.checkpoint != shutdown->checkpoint)
		return "It does not belong to the last shutdown of this cluster.";
	if (!read_records(&reader))
		return "A record in it makes no sense; those before it were taken.";
	ereport(DEBUG1,
			(errmsg_internal("covet read " INT64_FORMAT " entries from file \"%s\"",
							 reader.entries, DUMP_FILE)));
	return NULL;
}

/* Read the file of the shutdown before this start. */
static void
read_file(const DumpHeader *shutdown)
{
	FILE	   *file = AllocateFile(DUMP_FILE, PG_BINARY_R);
	const char *why;

	if (file == NULL)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", DUMP_FILE),
				 errdetail("What was cached before this start counts as absent.")));
		return;
	}
	why = read_open_file(file, shutdown);
	FreeFile(file);
	if (why != NULL)
		ereport(LOG,
				(errmsg("file \"%s\" in the data directory is not used", DUMP_FILE),
				 errdetail("%s", why)));
}

/*
 * Read and remove the file, unless this is the restart after a crash, or a
 * standby or recovery begins.
 */
static void
take_file(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "covet file",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DumpHeader	shutdown;

	if (shutdown_checkpoint(&shutdown) && access(STANDBY_SIGNAL_FILE, F_OK) != 0 &&
		access(RECOVERY_SIGNAL_FILE, F_OK) != 0)
		read_file(&shutdown);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	/* Should this fail, the next start sees that it belongs to another shutdown. */
	if (access(DUMP_FILE, F_OK) == 0)
		(void) durable_unlink(DUMP_FILE, LOG);
	(void) unlink(DUMP_FILE_TMP);
}

static void
startup_hook(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	/* Also in a server for a single user, but not in a child. */
	if (!IsUnderPostmaster)
	{
		take_file();
		on_shmem_exit(write_file, (Datum) 0);
	}
}

/*
 * Have the file read at start and written at shutdown; while preloading only,
 * after covet_shmem_install(), whose hook this one runs first.
 */
void
covet_hot_dump_init(void)
{
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_hook;
}
