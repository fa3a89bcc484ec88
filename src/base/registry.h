/*
 * registry.h
 *		The databases that use covet, and what the workers keep of each.
 */
#ifndef COVET_REGISTRY_H
#define COVET_REGISTRY_H

#include "datatype/timestamp.h"
#include "storage/block.h"
#include "storage/latch.h"

/* What the launcher knows of a database. */
typedef enum DatabaseState
{
	DATABASE_WAITING,			/* for its next tick */
	DATABASE_RUNNING,			/* a tick is under way */
	DATABASE_NO_SLOT,			/* no background worker could be started */
	DATABASE_REFUSED,			/* it allows no connections */
	DATABASE_LOCKED,			/* a command needs it to be left alone */
	DATABASE_FAILED,			/* the last tick ended with an error */
	NUM_DATABASE_STATES
} DatabaseState;

/* What a tick has said of itself. */
typedef enum TickOutcome
{
	TICK_SILENT,				/* nothing: it runs, or was ended */
	TICK_DONE,
	TICK_ERROR
} TickOutcome;

/* How far a walk through memory that saves touches has come. */
typedef struct TouchPlace
{
	uint32		partition;
	uint32		bucket;
	int64		shortest_idle;	/* of what it met, microseconds; 0: none */
} TouchPlace;

/*
 * How far the sweep of a database has come.  A round visits the tables one
 * after the other and ends with the quotas and memory; it goes on from tick to
 * tick.
 */
typedef struct SweepRound
{
	int			step;			/* index of the table, or what comes after */
	BlockNumber block;			/* next block of that table */
	int64		scanned;		/* rows seen so far */
	int64		removed;		/* and removed */
} SweepRound;

/* How far the loading of copies into memory has come; starts zeroed. */
typedef struct WarmPlace
{
	int			source;			/* number of the source of rows */
	bool		begun;			/* the two below count */
	TimestampTz seen_at;		/* of the last row looked at */
	int64		version;
} WarmPlace;

/* One database.  All fields are guarded by the lock of the registry. */
typedef struct DatabaseEntry
{
	Oid			database;		/* InvalidOid: the entry is free */
	uint32		notes;			/* how often it was noted */
	DatabaseState state;
	TimestampTz last_tick;		/* end of the last one; 0 none */
	TimestampTz next_tick;
	int64		interval;		/* microseconds between ticks at present */
	int64		ticks;			/* that came to their end */
	int64		removed;		/* rows, by all ticks */
	int64		failures;		/* ticks that ended with an error */
	int			sqlstate;		/* of the last tick's error; 0 none */
	TickOutcome outcome;		/* of the tick under way, or of the last */
	TimestampTz next_sweep;		/* when a round that is done is begun again */
	bool		swept;			/* that tick went on with a round */
	bool		round_done;		/* and came to its end */
	SweepRound	round;
	TimestampTz next_touches;	/* when the next walk is due; 0 with a sweep */
	bool		skip_touches;	/* the last walk raised an error */
	TouchPlace	touches;
	bool		warmed;			/* copies were loaded since the start */
	WarmPlace	warm;
} DatabaseEntry;

extern void covet_registry_init(void);
extern void covet_registry_note(void);
extern bool covet_registry_add(Oid database);
extern uint32 covet_registry_notes(Oid database);
extern void covet_registry_forget(Oid database, const uint32 *notes);
extern DatabaseEntry *covet_registry_lock(Oid database);
extern void covet_registry_unlock(void);
extern DatabaseEntry *covet_registry_copy(int *count);
extern void covet_registry_wake(Latch *latch);
extern bool covet_registry_overflowed(void);

#endif							/* COVET_REGISTRY_H */
