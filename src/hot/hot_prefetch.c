/*
 * hot_prefetch.c
 *		Bringing the entries of a batch near before they are read.
 *
 * What a look-up costs is mostly waiting for memory: for the bucket, then for
 * the entry.  Asked for one key after the other a processor cannot wait for
 * several at once, because the lock of each keeps what comes after it from
 * beginning.  So a batch asks for some keys' buckets, then for the entries they
 * name, and reads them when they have come.
 *
 * Locks: none.  What is found without one is believed by nobody: a bucket names
 * some place of its arena whenever it is looked at, and to ask for the wrong
 * one does no harm.
 */
#include "postgres.h"

#include "base/compat.h"
#include "hot/hot_table.h"

#define CACHE_LINE		64
#define LINES			5		/* of an entry: those of a small value */

#ifdef __GNUC__
#define PREFETCH(address)	__builtin_prefetch(address)
#else
#define PREFETCH(address)	((void) (address))
#endif

/*
 * Ask for the memory of the entries of some keys in a home; keys may be NULL.
 * At most HOT_PREFETCH of them.
 */
void
covet_hot_prefetch(HotHome *home, text **keys, int count)
{
	const HotPartition *partitions[HOT_PREFETCH];
	const HotBucket *buckets[HOT_PREFETCH];
	int			n = 0;

	Assert(count <= HOT_PREFETCH);
	for (int i = 0; i < count; i++)
	{
		HotKey		key;

		if (keys[i] == NULL)
			continue;
		covet_hot_key(&key, home, VARDATA_ANY(keys[i]), VARSIZE_ANY_EXHDR(keys[i]));
		partitions[n] = partition_at(partition_of(&key));
		buckets[n] = &partitions[n]->buckets[(uint32) key.hash & partitions[n]->bucket_mask];
		PREFETCH(buckets[n]);
		n++;
	}
	for (int i = 0; i < n; i++)
	{
		HotLink		link = *(const volatile HotLink *) &buckets[i]->head;
		const char *entry;

		if (link == 0)
			continue;
		entry = (const char *) entry_at(partitions[i], link);
		for (int line = 0; line < LINES; line++)
			PREFETCH(entry + line * CACHE_LINE);
	}
}
