/*
 * guc.h
 *		The settings, all with the prefix "covet.".
 */
#ifndef COVET_GUC_H
#define COVET_GUC_H

typedef enum CacheStorage
{
	STORAGE_TABLE,
	STORAGE_MEMORY
} CacheStorage;

typedef enum LimitPolicy
{
	LIMIT_OLDEST,				/* the user's oldest session ends */
	LIMIT_REJECT				/* the new one is refused */
} LimitPolicy;

/* cache */
extern PGDLLIMPORT int covet_default_storage;	/* a CacheStorage */
extern PGDLLIMPORT int covet_default_ttl;		/* s; -1 none */
extern PGDLLIMPORT int covet_default_max_bytes; /* kB */
extern PGDLLIMPORT int covet_max_decompressed_size; /* kB */

/* sessions */
extern PGDLLIMPORT int covet_session_idle_timeout;	/* s */
extern PGDLLIMPORT int covet_session_max_lifetime;	/* s */
extern PGDLLIMPORT int covet_session_max_per_user;	/* 0 = no limit */
extern PGDLLIMPORT int covet_session_limit_policy;	/* a LimitPolicy */
extern PGDLLIMPORT int covet_session_tombstone; /* s */

/* memory */
extern PGDLLIMPORT int covet_hot_size;	/* kB */
extern PGDLLIMPORT int covet_hot_max_value; /* kB */
/* tests */
extern PGDLLIMPORT int covet_debug_commit_ms;
extern PGDLLIMPORT int covet_debug_promote_ms;

/* workers */
extern PGDLLIMPORT int covet_sweep_min_interval;	/* ms */
extern PGDLLIMPORT int covet_sweep_max_interval;	/* ms */
extern PGDLLIMPORT int covet_max_databases;
extern PGDLLIMPORT bool covet_warm_on_start;

extern int	covet_storage_by_name(const char *name);
extern void covet_guc_init(bool preloading);

#endif							/* COVET_GUC_H */
