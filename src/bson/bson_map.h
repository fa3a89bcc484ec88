/*
 * bson_map.h
 *		Documents of MongoDB (BSON) to and from JSON, jsonb and text.
 *
 * JSON going in may be written in any form of MongoDB's Extended JSON;
 * what comes out uses the forms that read back as the same BSON.  Text is in
 * the server encoding on the PostgreSQL side and UTF-8 on the other.
 */
#ifndef COVET_BSON_MAP_H
#define COVET_BSON_MAP_H

#include <bson/bson.h>

#include "utils/jsonb.h"

/*
 * Levels of nesting that are read and written: the most a MongoDB server can
 * be set to (its parameter maxBSONDepth; 200 unless changed).
 */
#define COVET_BSON_MAX_DEPTH	250

/* JSON to BSON; the result belongs to the current memory context. */
extern bson_t *covet_bson_from_json(const text *json, const char *what);
extern bson_t *covet_bson_array_from_json(const text *json, const char *what);

/* BSON to JSON; the result is palloc'd in the current memory context. */
extern Jsonb *covet_bson_to_jsonb(const bson_t *doc);
extern Jsonb *covet_bson_iter_to_jsonb(bson_iter_t *iter);
extern text *covet_bson_to_json(const bson_t *doc);

/* Tie a document that libbson allocated to the current memory context. */
extern void covet_bson_own(bson_t *doc);

#endif							/* COVET_BSON_MAP_H */
