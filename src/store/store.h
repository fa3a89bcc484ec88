/*
 * store.h
 *		The contract of the store: the only room that reads and writes covet's
 *		tables.
 */
#ifndef COVET_STORE_H
#define COVET_STORE_H

#include "base/clock.h"
#include "covet.h"

/* ------------------------------------------------------------------------
 * in store_table.c
 * ------------------------------------------------------------------------ */

extern void covet_store_init(void);
extern void covet_store_require_writable(const char *what);
extern bool covet_store_writable(void);

#endif							/* COVET_STORE_H */
