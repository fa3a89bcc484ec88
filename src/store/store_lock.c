/*
 * store_lock.c
 *		Transaction locks on words: a user's sessions, a framework's id.
 *
 * They are heavyweight locks with a tag of their own (advisory locks of
 * users have 1 or 2 in its last field), held until the transaction ends.
 * Words are hashed into 4096 classes a space, so that a transaction that
 * touches a great many of them cannot fill the lock table; two words of one
 * class only wait for each other.  SHARE is for who may run beside another of
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
#define LOCK_CLASSES	4096

/*
 * Lock a word until the transaction ends, waiting for it.  Can raise 40P01.
 */
void
covet_store_lock_word(StoreLockSpace space, const text *word, LOCKMODE lockmode)
{
	LOCKTAG		tag;
	uint32		class = DatumGetUInt32(hash_any((const unsigned char *) VARDATA_ANY(word),
												VARSIZE_ANY_EXHDR(word))) % LOCK_CLASSES;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) space, class, LOCK_TAG_KIND);
	(void) LockAcquire(&tag, lockmode, false, false);
}
