/*
 * codec_raw.c
 *		No compression.
 */
#include "postgres.h"

#include "codec/codec.h"

static Size
raw_compress(char *dst, Size dst_size, const char *src, Size src_size)
{
	if (src_size > dst_size)
		return 0;
	memcpy(dst, src, src_size);
	return src_size;
}

static ssize_t
raw_decompress(char *dst, Size raw_size, const char *src, Size src_size)
{
	if (src_size != raw_size)
		return -1;
	memcpy(dst, src, src_size);
	return src_size;
}

const Codec covet_codec_raw = {
	.id = CODEC_RAW,
	.name = "raw",
	.compress = raw_compress,
	.decompress = raw_decompress,
};
