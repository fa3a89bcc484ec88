/*
 * hot_shared.h
 *		Inside the hot tier: what hot_home.c, hot_stamp.c and hot_dump.c share
 *		with the other files here.
 */
#ifndef COVET_HOT_SHARED_H
#define COVET_HOT_SHARED_H

#include "hot/hot.h"

/* in hot_home.c */
extern void covet_hot_home_init(void);
extern Oid	covet_hot_schema(void);
extern uint16 covet_hot_space_of(Oid database, Oid schema);
extern void covet_hot_space_oids(uint16 space, Oid *database, Oid *schema);
extern HotHome *covet_hot_home_in(uint16 space, HotStore store, const char *name,
								  Size name_size, bool create);

/* in hot_stamp.c */
extern void covet_stamp_init(void);
extern uint32 covet_stamp_slot_of(Oid database, Oid schema, const char *name, Size size);
extern void covet_stamp_move_all(void);
extern void covet_stamp_restore(const int64 *stamps);

/* in hot_dump.c */
extern void covet_hot_dump_init(void);

#endif							/* COVET_HOT_SHARED_H */
