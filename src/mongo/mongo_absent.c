/*
 * mongo_absent.c
 *		covet_mongo.so built without the MongoDB driver.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"

COVET_MODULE_MAGIC("covet_mongo");
