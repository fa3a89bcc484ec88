/*
 * codec.h
 *		Compression codecs as a table of records, and the frame of a stored
 *		value, as it is in tables and in memory.
 */
#ifndef COVET_CODEC_H
#define COVET_CODEC_H

#include "covet.h"

/* Stored in frames, so never renumber. */
typedef enum CodecId
{
	CODEC_RAW = 0,
	CODEC_ZSTD = 1
} CodecId;

#define CODEC_AUTO	(-1)		/* as a choice: let the value's size decide */

/*
 * One codec.  Both functions work from buffer to buffer and return the number
 * of bytes written; 0 says that the result does not fit (compress), -1 that
 * the input is not exactly raw_size bytes when decompressed (decompress).
 */
typedef struct Codec
{
	CodecId		id;
	const char *name;
	Size		(*compress) (char *dst, Size dst_size, const char *src, Size src_size);
	ssize_t		(*decompress) (char *dst, Size raw_size, const char *src, Size src_size);
} Codec;

extern const Codec covet_codec_raw;
extern const Codec covet_codec_zstd;

extern const Codec *covet_codec_by_id(int id);
extern int	covet_codec_choice(const char *name);
extern const char *covet_codec_choice_name(int choice);

/*
 * A stored value taken apart, from a frame or from its form in memory; points
 * into where it came from.
 */
typedef struct ValueParts
{
	uint8		head;			/* see covet_value_head */
	uint32		dictionary;		/* 0 = none */
	uint32		raw_size;		/* bytes of the value */
	const char *body;
	uint32		body_size;
	struct varlena *varlena;	/* a palloc'd one whose data is the value, or NULL */
} ValueParts;

#define COVET_FRAME_HEADER	16	/* bytes before the body of a frame */
#define VALUE_MAX_CODEC		63	/* what fits a head */
#define VALUE_PREFIX_SIZE	8	/* dictionary and raw_size in memory */

static inline uint8
covet_value_head(ValueKind kind, CodecId codec)
{
	return (uint8) (kind | (codec << 2));
}

static inline ValueKind
covet_head_kind(uint8 head)
{
	return (ValueKind) (head & 3);
}

static inline CodecId
covet_head_codec(uint8 head)
{
	return (CodecId) (head >> 2);
}

extern bytea *covet_frame_encode(ValueKind kind, const char *raw, Size raw_size,
								 int codec_choice);
extern void covet_frame_head(const bytea *frame, ValueParts *parts);
extern void covet_frame_own_parts(const bytea *frame, ValueParts *parts);
extern void covet_frame_parts(const bytea *frame, ValueParts *parts);
extern void covet_prefix_parts(uint8 head, const char *prefix, const char *body,
							   uint32 size, ValueParts *parts);
extern void covet_payload_parts(uint8 head, const char *payload, uint32 size,
								struct varlena *varlena, ValueParts *parts);
extern int	covet_payload_prefix(const ValueParts *parts, char *prefix);
extern bytea *covet_parts_decode(const ValueParts *parts);

#endif							/* COVET_CODEC_H */
