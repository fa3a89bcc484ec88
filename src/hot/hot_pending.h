/*
 * hot_pending.h
 *		Inside the hot tier: the list of what a transaction will publish.  Other
 *		rooms include hot.h.
 */
#ifndef COVET_HOT_PENDING_H
#define COVET_HOT_PENDING_H

#include "lib/ilist.h"

#include "hot/hot.h"

/* What an operation is about. */
typedef enum PendingTargetKind
{
	TARGET_KEY,
	TARGET_SLOT,				/* of a stamp */
	TARGET_EPOCH,				/* of a store */
	TARGET_SETTINGS				/* of the namespaces */
} PendingTargetKind;

typedef enum PendingOpKind
{
	OP_SET,						/* memory: link a new entry */
	OP_DELETE,					/* memory: remove the entry */
	OP_DROP,					/* a row was written: drop its copy */
	OP_MOVE						/* a stamp, an epoch, the settings' epoch */
} PendingOpKind;

typedef struct PendingOp PendingOp;

/* Something with operations; found by hash. */
typedef struct PendingTarget
{
	PendingTargetKind kind;
	uint32		hash;
	uint32		number;			/* slot, or HotStore; else 0 */
	uint16		space;			/* of TARGET_EPOCH and TARGET_SETTINGS; else 0 */
	bool		fenced;			/* we hold a fence on the key */
	HotKey		key;			/* of TARGET_KEY; its bytes are ours */
	PendingOp  *top;			/* of the innermost level that has one */
} PendingTarget;

/* The operations of one nesting level that has any. */
typedef struct PendingLevel
{
	int			nest;
	dlist_head	keys;			/* of PendingOp */
	dlist_head	moves;			/* of PendingOp */
	struct PendingLevel *outer;
} PendingLevel;

struct PendingOp
{
	dlist_node	node;			/* in a list of level */
	PendingOpKind kind;
	PendingTarget *target;
	PendingLevel *level;
	PendingOp  *outer;			/* of the same target, in an outer level */
	union
	{
		struct
		{
			int64		expected;	/* the shared stamp when we first moved it */
			int64		stamp;		/* what we move it to */
		}			move;		/* of TARGET_SLOT */
		struct
		{
			int64		lease_id;	/* 0: none */
			HotBlock	block;	/* once it is prepared */
			PendingValue *value;	/* behind this struct */
		}			set;		/* of OP_SET */
	}			u;
};

/* This backend's transaction.  Zeroed at its end, but for the context. */
typedef struct PendingState
{
	MemoryContext context;		/* of all of it; reset at the end */
	struct pending_hash *targets;
	PendingLevel *level;		/* innermost */
	bool		noted;			/* the transaction cannot be prepared */
	bool		prepared;		/* our PRE_COMMIT has run */
	uint32		epochs;			/* bit n: HotStore n has a TARGET_EPOCH */
	int			nslots;			/* of TARGET_SLOT */
	int64		ndrops[NUM_HOT_STORES]; /* of OP_DROP */
} PendingState;

extern PendingState covet_pending_state;

/* in hot_pending.c */
extern bool covet_pending_stamps_hold(const HotHome *home, const HotContent *content,
									  int64 (*stamp_of) (uint32 slot));
extern void covet_pending_each(void (*receive) (PendingTarget *target, void *arg),
							   void *arg);
extern void covet_pending_end_sub(bool commit);
extern void covet_pending_reset(void);

/* in hot_publish.c */
extern void covet_publish_prepare(PendingOp *op);

#endif							/* COVET_HOT_PENDING_H */
