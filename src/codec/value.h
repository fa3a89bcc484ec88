/*
 * value.h
 *		A value as SQL gives it, to a frame and back.
 */
#ifndef COVET_VALUE_H
#define COVET_VALUE_H

#include "codec/codec.h"

extern bytea *covet_value_encode(ValueKind kind, Datum value, int codec_choice);
extern Datum covet_value_decode_parts(const ValueParts *parts, ValueKind wanted);
extern Datum covet_value_decode(const bytea *frame, ValueKind wanted);
extern const char *covet_value_kind_name(ValueKind kind);
extern Oid	covet_value_kind_type(ValueKind kind);

/* in integer.c */
extern int64 covet_integer_decode(const ValueParts *parts);
extern bytea *covet_integer_encode(int64 value, ValueKind kind);
extern int64 covet_integer_add(int64 a, int64 b);

#endif							/* COVET_VALUE_H */
