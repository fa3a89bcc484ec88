/*
 * mongo.c
 *		The door of covet_mongo.so.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"

COVET_MODULE_MAGIC("covet_mongo");
