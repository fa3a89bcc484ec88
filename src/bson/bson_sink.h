/*
 * bson_sink.h
 *		Where JSON made from BSON goes: jsonb, or JSON text.
 */
#ifndef COVET_BSON_SINK_H
#define COVET_BSON_SINK_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * Takes the events of one JSON value in order.  Strings are in the server
 * encoding, "len" bytes and a NUL behind them, and must stay until the end.
 */
typedef struct JsonSink JsonSink;
struct JsonSink
{
	void		(*open) (JsonSink *sink, bool array);
	void		(*close) (JsonSink *sink, bool array);
	void		(*key) (JsonSink *sink, const char *str, int len);
	void		(*string) (JsonSink *sink, const char *str, int len);
	void		(*integer) (JsonSink *sink, int64 value);
	void		(*real) (JsonSink *sink, double value); /* finite */
	void		(*boolean) (JsonSink *sink, bool value);
	void		(*null) (JsonSink *sink);
};

typedef struct JsonbSink
{
	JsonSink	sink;
	JsonbParseState *state;
	JsonbValue *result;
} JsonbSink;

typedef struct TextSink
{
	JsonSink	sink;
	StringInfoData out;
	bool		comma;			/* one is due before the next item */
} TextSink;

extern void covet_bson_jsonb_sink(JsonbSink *sink);
extern void covet_bson_jsonb_push(JsonSink *sink, JsonbValue *value);
extern void covet_bson_text_sink(TextSink *sink);

#endif							/* COVET_BSON_SINK_H */
