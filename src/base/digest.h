/*
 * digest.h
 *		SHA-256 of bytes that must not be kept as they are.
 */
#ifndef COVET_DIGEST_H
#define COVET_DIGEST_H

#define COVET_DIGEST_SIZE	32

extern void covet_digest(const void *bytes, Size size, uint8 digest[COVET_DIGEST_SIZE]);

#endif							/* COVET_DIGEST_H */
