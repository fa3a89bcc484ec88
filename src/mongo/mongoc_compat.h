/*
 * mongoc_compat.h
 *		The MongoDB C driver, 1.23 to 2.x, behind one name each.
 */
#ifndef COVET_MONGOC_COMPAT_H
#define COVET_MONGOC_COMPAT_H

#include <mongoc/mongoc.h>

/*
 * Since 1.26 the driver's pauses go through a function of the client.  Before
 * they are plain usleep(3), which a signal ends.
 */
#if MONGOC_CHECK_VERSION(1, 26, 0)
#define MONGO_HAS_USLEEP_IMPL 1
#else
#define MONGO_HAS_USLEEP_IMPL 0
#endif

#endif							/* COVET_MONGOC_COMPAT_H */
