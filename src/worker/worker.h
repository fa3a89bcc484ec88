/*
 * worker.h
 *		The contract of the workers: a launcher for the cluster, ticks that sweep
 *		one database each, and the same sweep from SQL.
 */
#ifndef COVET_WORKER_H
#define COVET_WORKER_H

#include "base/registry.h"

/* in launcher.c */
extern void covet_worker_init(void);
extern PGDLLEXPORT void covet_launcher_main(Datum arg);

/* in tick.c */
extern PGDLLEXPORT void covet_tick_main(Datum arg);

/* in sweep.c */
extern const char *covet_sweep_step_name(const SweepRound *round);
extern bool covet_sweep_step(SweepRound *round, TimestampTz now);
extern void covet_sweep_skip(SweepRound *round);
extern bool covet_sweep_done(const SweepRound *round);

#endif							/* COVET_WORKER_H */
