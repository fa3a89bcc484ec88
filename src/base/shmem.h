/*
 * shmem.h
 *		Shared memory of all rooms, requested and attached in one place.
 */
#ifndef COVET_SHMEM_H
#define COVET_SHMEM_H

/*
 * One room's piece of shared memory.  A room passes a static record to
 * covet_shmem_register() from its init function, which runs only while
 * shared_preload_libraries is processed.
 */
typedef struct ShmemRoom
{
	const char *name;			/* name of the segment, as "CovetWorker" */
	Size		(*size) (void); /* bytes; called when requesting and attaching */
	void		(*init) (void *segment);	/* fills a segment just created */
	void	  **segment;		/* where to leave its address */
	const char *tranche;		/* LWLock tranche to request, or NULL */
	int			locks;			/* number of LWLocks in it */
	struct ShmemRoom *next;
} ShmemRoom;

extern void covet_shmem_install(void);
extern void covet_shmem_register(ShmemRoom *room);
extern bool covet_preloaded(void);
extern void covet_require_preload(void);

#endif							/* COVET_SHMEM_H */
