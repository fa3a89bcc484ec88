/*
 * codec.h
 *		Compression codecs as a table of records, and the frame of a stored
 *		value.
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

/* What a frame says of itself without decompressing it. */
typedef struct FrameInfo
{
	ValueKind	kind;
	const Codec *codec;
	uint32		dictionary;		/* 0 = none */
	uint32		raw_size;		/* bytes of the value */
} FrameInfo;

extern bytea *covet_frame_encode(ValueKind kind, const char *raw, Size raw_size,
								 int codec_choice);
extern void covet_frame_info(const bytea *frame, FrameInfo *info);
extern bytea *covet_frame_decode(const bytea *frame, ValueKind *kind);

#endif							/* COVET_CODEC_H */
