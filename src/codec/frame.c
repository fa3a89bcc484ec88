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
 * In shared memory a value has a shorter form without a checksum: a head byte (kind in its low 2 bits, codec
 * in the upper 6), kept apart, and a payload, which is the value itself where
 * it is raw, else dictionary and raw_size, 4 bytes each, and the body.  Whoever
 * reads a value takes either form apart into ValueParts.
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

StaticAssertDecl(sizeof(FrameHeader) == COVET_FRAME_HEADER, "the frame's header has no padding");

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
 * under 512 bytes and those that would shrink by less than a tenth stay raw;
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

/* Raise unless kind and codec are ones that exist. */
static void
check_kind_and_codec(int kind, int codec)
{
	if (kind < VALUE_TEXT || kind > VALUE_JSONB)
		corrupt("Its kind is not one that exists.");
	if (covet_codec_by_id(codec) == NULL || codec > VALUE_MAX_CODEC)
		corrupt("Its codec is not one that exists.");
}

/*
 * What the header of a frame says; the body is neither looked at nor given, so
 * "frame" may be a slice that begins with the header.  Raises XX001.
 */
void
covet_frame_head(const bytea *frame, ValueParts *parts)
{
	FrameHeader header;

	if (VARSIZE_ANY_EXHDR(frame) < sizeof(FrameHeader))
		corrupt("It is shorter than its header.");
	memcpy(&header, VARDATA_ANY(frame), sizeof(FrameHeader));
	check_kind_and_codec(header.kind, header.codec);

	memset(parts, 0, sizeof(*parts));
	parts->head = covet_value_head(header.kind, header.codec);
	parts->dictionary = header.dictionary;
	parts->raw_size = header.raw_size;
}

/*
 * The parts of a detoasted frame that this backend has just made itself: its
 * checksum is not looked at.  They point into the frame.
 */
void
covet_frame_own_parts(const bytea *frame, ValueParts *parts)
{
	covet_frame_head(frame, parts);
	parts->body = VARDATA_ANY(frame) + sizeof(FrameHeader);
	parts->body_size = VARSIZE_ANY_EXHDR(frame) - sizeof(FrameHeader);
}

/*
 * The parts of a detoasted frame from a table, which they point into.  Raises
 * XX001 for one that is damaged.
 */
void
covet_frame_parts(const bytea *frame, ValueParts *parts)
{
	FrameHeader header;

	covet_frame_own_parts(frame, parts);
	memcpy(&header, VARDATA_ANY(frame), sizeof(FrameHeader));
	if (header.checksum != checksum(&header, parts->body, parts->body_size))
		corrupt("Its checksum does not match.");
}

/*
 * The parts of a value in the form it has in memory: the head byte, the prefix
 * (unless the value is raw) and "size" bytes of body, which they point to.
 * Raises XX001 for what cannot be one.
 */
void
covet_prefix_parts(uint8 head, const char *prefix, const char *body, uint32 size,
				   ValueParts *parts)
{
	check_kind_and_codec(covet_head_kind(head), covet_head_codec(head));
	memset(parts, 0, sizeof(*parts));
	parts->head = head;
	parts->body = body;
	parts->body_size = size;
	if (covet_head_codec(head) == CODEC_RAW)
		parts->raw_size = size;
	else
	{
		memcpy(&parts->dictionary, prefix, sizeof(uint32));
		memcpy(&parts->raw_size, prefix + sizeof(uint32), sizeof(uint32));
	}
}

/*
 * The same, with the prefix before the body: "size" bytes at "payload".  "varlena" is NULL or a palloc'd one
 * whose data is the payload; covet_value_decode may give it away.  Raises
 * XX001 for what cannot be one.
 */
void
covet_payload_parts(uint8 head, const char *payload, uint32 size,
					struct varlena *varlena, ValueParts *parts)
{
	const uint32 prefix = covet_head_codec(head) == CODEC_RAW ? 0 : VALUE_PREFIX_SIZE;

	if (size < prefix)
		corrupt("It is shorter than its header.");
	covet_prefix_parts(head, payload, payload + prefix, size - prefix, parts);
	if (prefix == 0)
		parts->varlena = varlena;
}

/*
 * What stands before the body in the form a value has in memory: writes that
 * to "prefix" (VALUE_PREFIX_SIZE bytes) and gives its size.
 */
int
covet_payload_prefix(const ValueParts *parts, char *prefix)
{
	if (covet_head_codec(parts->head) == CODEC_RAW)
		return 0;
	memcpy(prefix, &parts->dictionary, sizeof(uint32));
	memcpy(prefix + sizeof(uint32), &parts->raw_size, sizeof(uint32));
	return VALUE_PREFIX_SIZE;
}

/*
 * The value of some parts as a varlena with a 4-byte header (bytes of a text, a
 * bytea or a jsonb, as the head tells): the one of the parts if they have one,
 * else palloc'd.  Raises XX001 for a body that is damaged and 54000 for a value
 * over covet.max_decompressed_size.
 */
bytea *
covet_parts_decode(const ValueParts *parts)
{
	const Codec *codec = covet_codec_by_id(covet_head_codec(parts->head));
	bytea	   *value;

	if (parts->varlena != NULL)
		return parts->varlena;
	if (parts->dictionary != 0)
		corrupt("It needs a dictionary that does not exist.");
	if (codec->id == CODEC_RAW && parts->body_size != parts->raw_size)
		corrupt("Its size is not the recorded one.");
	if (parts->raw_size > (Size) covet_max_decompressed_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("stored value is too large"),
				 errdetail("It has %u bytes; the limit is %d kB.",
						   parts->raw_size, covet_max_decompressed_size),
				 errhint("The limit is the setting \"covet.max_decompressed_size\".")));

	value = palloc(VARHDRSZ + parts->raw_size);
	SET_VARSIZE(value, VARHDRSZ + parts->raw_size);
	if (codec->id == CODEC_RAW)
		memcpy(VARDATA(value), parts->body, parts->raw_size);
	else if (codec->decompress(VARDATA(value), parts->raw_size, parts->body,
							   parts->body_size) != (ssize_t) parts->raw_size)
		corrupt("It could not be decompressed to its recorded size.");
	return value;
}
