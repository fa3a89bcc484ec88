/*
 * codec.c
 *		The table of codecs.
 */
#include "postgres.h"

#include "codec/codec.h"

static const Codec *const codecs[] = {
	&covet_codec_raw,
	&covet_codec_zstd,
};

/*
 * The codec with the id found in a frame, or NULL.
 */
const Codec *
covet_codec_by_id(int id)
{
	for (size_t i = 0; i < lengthof(codecs); i++)
		if ((int) codecs[i]->id == id)
			return codecs[i];
	return NULL;
}

/*
 * The choice a namespace names: a CodecId, or CODEC_AUTO for "auto".  Raises
 * 22023 for another name.
 */
int
covet_codec_choice(const char *name)
{
	if (strcmp(name, "auto") == 0)
		return CODEC_AUTO;
	for (size_t i = 0; i < lengthof(codecs); i++)
		if (strcmp(codecs[i]->name, name) == 0)
			return codecs[i]->id;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized codec \"%s\"", name),
			 errhint("Values of a cache namespace are stored with \"auto\", \"raw\" or \"zstd\".")));
	return CODEC_AUTO;			/* keep the compiler quiet */
}

/*
 * The name of a choice.
 */
const char *
covet_codec_choice_name(int choice)
{
	const Codec *codec = covet_codec_by_id(choice);

	return codec == NULL ? "auto" : codec->name;
}
