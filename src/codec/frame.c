/*
 * frame.c
 *		The frame of a stored value.
 *
 * Sixteen bytes, then the body:
 *
 *		uint8	kind			text, bytea or jsonb (ValueKind)
 *		uint8	codec			CodecId of the body
 *		uint16	reserved		zero
 *		uint32	dictionary		id of the dictionary the body needs; 0 none
 *		uint32	raw_size		bytes of the value
 *		uint32	checksum		CRC-32C of the twelve bytes above and the body
 *
 * A jsonb value is framed in its binary form.  What a frame says is believed
 * only after the checksum has been found right, and the size it names is
 * checked against covet.max_decompressed_size before memory is taken: a
 * corrupt or hostile frame is XX001, never a crash or a huge allocation.
 */
#include "postgres.h"

#include "port/pg_crc32c.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "codec/codec.h"

typedef struct FrameHeader
{
	uint8		kind;
	uint8		codec;
	uint16		reserved;
	uint32		dictionary;
	uint32		raw_size;
	pg_crc32c	checksum;
} FrameHeader;

StaticAssertDecl(sizeof(FrameHeader) == 16, "the frame's header has no padding");

/* Smaller values are not worth the time to compress them. */
#define COMPRESS_MIN	256

static pg_crc32c
checksum(const FrameHeader *header, const char *body, Size size)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, offsetof(FrameHeader, checksum));
	COMP_CRC32C(crc, body, size);
	FIN_CRC32C(crc);
	return crc;
}

static void
corrupt(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored value is corrupt"),
			 errdetail_internal("%s", detail)));
}

/*
 * The frame of "raw_size" bytes at "raw", palloc'd.  With CODEC_AUTO values
 * under 256 bytes and those that would shrink by less than a tenth stay raw;
 * a named codec is used whatever it saves, unless the result would be larger
 * than the value.  Raises 54000 for a value over 1 GB.
 */
bytea *
covet_frame_encode(ValueKind kind, const char *raw, Size raw_size, int codec_choice)
{
	FrameHeader header = {.kind = kind,.codec = CODEC_RAW,.raw_size = (uint32) raw_size};
	const Size	prefix = VARHDRSZ + sizeof(FrameHeader);
	bytea	   *frame;
	char	   *body;
	Size		size = 0;

	if (raw_size > MaxAllocSize - prefix ||
		raw_size > (Size) covet_max_decompressed_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too large"),
				 errdetail("It has %zu bytes; the limit is %d kB.",
						   raw_size, covet_max_decompressed_size),
				 errhint("The limit is the setting \"covet.max_decompressed_size\".")));

	frame = palloc(prefix + raw_size);
	body = (char *) frame + prefix;

	if (codec_choice != CODEC_RAW &&
		(codec_choice != CODEC_AUTO || raw_size >= COMPRESS_MIN))
	{
		CodecId		id = codec_choice == CODEC_AUTO ? CODEC_ZSTD : codec_choice;
		Size		room = codec_choice == CODEC_AUTO ? raw_size - raw_size / 10 : raw_size;

		size = covet_codec_by_id(id)->compress(body, room, raw, raw_size);
		if (size > 0)
			header.codec = id;
	}
	if (header.codec == CODEC_RAW)
	{
		memcpy(body, raw, raw_size);
		size = raw_size;
	}

	header.checksum = checksum(&header, body, size);
	memcpy(VARDATA(frame), &header, sizeof(header));
	SET_VARSIZE(frame, prefix + size);
	return frame;
}

/* Read and check the header of a detoasted frame; the body is not looked at. */
static void
read_header(const bytea *frame, FrameHeader *header, FrameInfo *info)
{
	if (VARSIZE_ANY_EXHDR(frame) < sizeof(FrameHeader))
		corrupt("It is shorter than its header.");
	memcpy(header, VARDATA_ANY(frame), sizeof(FrameHeader));

	info->kind = header->kind;
	info->codec = covet_codec_by_id(header->codec);
	info->dictionary = header->dictionary;
	info->raw_size = header->raw_size;

	if (header->kind < VALUE_TEXT || header->kind > VALUE_JSONB)
		corrupt("Its kind is not one that exists.");
	if (info->codec == NULL)
		corrupt("Its codec is not one that exists.");
}

/*
 * What a frame says of itself.  "frame" may be a slice that begins with the
 * header, so the checksum is not verified.  Raises XX001.
 */
void
covet_frame_info(const bytea *frame, FrameInfo *info)
{
	FrameHeader header;

	read_header(frame, &header, info);
}

/*
 * The value in a frame as a palloc'd varlena with a 4-byte header (bytes of a
 * text, a bytea or a jsonb, as *kind tells).  "frame" is detoasted.  Raises
 * XX001 for a frame that is damaged and 54000 for one over
 * covet.max_decompressed_size.
 */
bytea *
covet_frame_decode(const bytea *frame, ValueKind *kind)
{
	FrameHeader header;
	FrameInfo	info;
	const char *body;
	Size		size;
	bytea	   *value;

	read_header(frame, &header, &info);
	body = VARDATA_ANY(frame) + sizeof(FrameHeader);
	size = VARSIZE_ANY_EXHDR(frame) - sizeof(FrameHeader);

	if (header.checksum != checksum(&header, body, size))
		corrupt("Its checksum does not match.");
	if (header.dictionary != 0)
		corrupt("It needs a dictionary that does not exist.");
	if (info.raw_size > (Size) covet_max_decompressed_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("stored value is too large"),
				 errdetail("It has %u bytes; the limit is %d kB.",
						   info.raw_size, covet_max_decompressed_size),
				 errhint("The limit is the setting \"covet.max_decompressed_size\".")));

	value = palloc(VARHDRSZ + info.raw_size);
	if (info.codec->decompress(VARDATA(value), info.raw_size, body, size) !=
		(ssize_t) info.raw_size)
		corrupt("It could not be decompressed to its recorded size.");
	SET_VARSIZE(value, VARHDRSZ + info.raw_size);
	*kind = info.kind;
	return value;
}
