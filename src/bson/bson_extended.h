/*
 * bson_extended.h
 *		The objects by which Extended JSON writes values that JSON lacks.
 */
#ifndef COVET_BSON_EXTENDED_H
#define COVET_BSON_EXTENDED_H

#include <bson/bson.h>

#include "lib/stringinfo.h"

extern bool covet_bson_extended_key(const char *key);
extern bson_type_t covet_bson_extended_read(const uint8_t *doc, uint32 size,
											const char *field, StringInfo payload);

/* Append an integer of "size" bytes in BSON's byte order. */
static inline void
covet_bson_put_int(StringInfo out, uint64 value, int size)
{
	char		bytes[8];

	for (int i = 0; i < size; i++)
		bytes[i] = (char) (value >> (8 * i));
	appendBinaryStringInfo(out, bytes, size);
}

/* Fill in a size that was not known when it was appended. */
static inline void
covet_bson_set_size(StringInfo out, int at, uint32 size)
{
	for (int i = 0; i < 4; i++)
		out->data[at + i] = (char) (size >> (8 * i));
}

/* Append a double in BSON's byte order. */
static inline void
covet_bson_put_double(StringInfo out, double value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	covet_bson_put_int(out, bits, sizeof(bits));
}

/* Append bytes and the NUL that ends them. */
static inline void
covet_bson_put_cstring(StringInfo out, const char *str, uint32 len)
{
	appendBinaryStringInfo(out, str, len);
	appendStringInfoCharMacro(out, '\0');
}

/* Append a string of BSON: its size with the NUL, its bytes and the NUL. */
static inline void
covet_bson_put_string(StringInfo out, const char *str, uint32 len)
{
	covet_bson_put_int(out, (uint64) len + 1, 4);
	covet_bson_put_cstring(out, str, len);
}

#endif							/* COVET_BSON_EXTENDED_H */
