/*
 * store_lock.c
 *		Transaction locks on words: a user's sessions, a framework's id, a key
 *		of the cache that has no row.
 *
 * They are heavyweight locks with a tag of their own (advisory locks of
 * users have 1 or 2 in its last field), held until the transaction ends.
 * Words are hashed into classes, 4096 or 256 a space, so that a transaction
 * that touches a great many of them cannot fill the lock table; two words of
 * one class only wait for each other.  SHARE is for who may run beside another of
 * its kind, EXCLUSIVE for who may not.  A caller that needs both spaces takes
 * LOCK_USER first.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "base/compat.h"
#include "store/store_table.h"

#define LOCK_TAG_KIND	0xC0B7	/* last field of the tag: ours */

/* Classes of a space. */
static const uint32 classes[] = {
	[LOCK_USER] = 4096,
	[LOCK_SESSION_ID] = 4096,
	[LOCK_CACHE_KEY] = 256,
};

static uint32
hash_word(const text *word)
{
	return DatumGetUInt32(hash_any((const unsigned char *) VARDATA_ANY(word),
								   VARSIZE_ANY_EXHDR(word)));
}

static void
lock_class(StoreLockSpace space, uint32 hash, LOCKMODE lockmode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) space, hash % classes[space],
						 LOCK_TAG_KIND);
	(void) LockAcquire(&tag, lockmode, false, false);
}

/*
 * Lock a word until the transaction ends, waiting for it.  Can raise 40P01.
 */
void
covet_store_lock_word(StoreLockSpace space, const text *word, LOCKMODE lockmode)
{
	lock_class(space, hash_word(word), lockmode);
}

/*
 * The same for a key of a namespace.
 */
void
covet_store_lock_key(const text *namespace, const text *key, LOCKMODE lockmode)
{
	lock_class(LOCK_CACHE_KEY, hash_combine(hash_word(namespace), hash_word(key)), lockmode);
}
