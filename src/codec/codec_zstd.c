/*
 * codec_zstd.c
 *		Zstandard at level 1.
 *
 * The contexts are kept for the life of the backend: to make one costs more
 * than to compress a small value.
 */
#include "postgres.h"

#include <zstd.h>

#include "codec/codec.h"

#define ZSTD_LEVEL	1			/* higher ones cost far more than they save */

static ZSTD_CCtx *compressor = NULL;
static ZSTD_DCtx *decompressor = NULL;

static void
out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Could not create a zstd context.")));
}

static Size
zstd_compress(char *dst, Size dst_size, const char *src, Size src_size)
{
	size_t		size;

	if (compressor == NULL && (compressor = ZSTD_createCCtx()) == NULL)
		out_of_memory();
	size = ZSTD_compressCCtx(compressor, dst, dst_size, src, src_size, ZSTD_LEVEL);
	return ZSTD_isError(size) ? 0 : size;
}

static ssize_t
zstd_decompress(char *dst, Size raw_size, const char *src, Size src_size)
{
	size_t		size;

	if (decompressor == NULL && (decompressor = ZSTD_createDCtx()) == NULL)
		out_of_memory();
	size = ZSTD_decompressDCtx(decompressor, dst, raw_size, src, src_size);
	return ZSTD_isError(size) || size != raw_size ? -1 : (ssize_t) size;
}

const Codec covet_codec_zstd = {
	.id = CODEC_ZSTD,
	.name = "zstd",
	.compress = zstd_compress,
	.decompress = zstd_decompress,
};
