/*
 * bson_date.h
 *		MongoDB's dates (milliseconds since 1970, UTC) to and from ISO 8601.
 */
#ifndef COVET_BSON_DATE_H
#define COVET_BSON_DATE_H

/* 1970-01-01 to 9999-12-31, the years that Extended JSON writes as text */
#define COVET_BSON_DATE_IS_TEXT(ms) \
	((ms) >= 0 && (ms) <= INT64CONST(253402300799999))

/* Bytes for any date: a sign, 9 digits of a year, the rest and " BC". */
#define COVET_BSON_DATE_LEN	48

extern bool covet_bson_date_parse(const char *str, int64 *ms);
extern void covet_bson_date_format(int64 ms, char *buf);

#endif							/* COVET_BSON_DATE_H */
