/*
 * version.h
 *		64-bit versions that rise with each write and never repeat.
 */
#ifndef COVET_VERSION_H
#define COVET_VERSION_H

extern void covet_version_init(void);
extern int64 covet_next_version(void);

#endif							/* COVET_VERSION_H */
