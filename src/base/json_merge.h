/*
 * json_merge.h
 *		JSON Merge Patch (RFC 7396).
 */
#ifndef COVET_JSON_MERGE_H
#define COVET_JSON_MERGE_H

#include "utils/jsonb.h"

extern Jsonb *covet_json_merge(Jsonb *target, Jsonb *patch);

#endif							/* COVET_JSON_MERGE_H */
