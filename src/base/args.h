/*
 * args.h
 *		Checks of arguments that many SQL functions share.
 */
#ifndef COVET_ARGS_H
#define COVET_ARGS_H

#include "fmgr.h"
#include "utils/array.h"

#include "base/compat.h"

extern bool covet_fits(const text *value, Size max_bytes);
extern void covet_require_fits(const text *value, Size min_bytes, Size max_bytes,
							   const char *what);
extern void covet_null_not_allowed(const char *what) pg_attribute_noreturn();
extern void covet_require_stateful(FunctionCallInfo fcinfo);
extern int	covet_compare_texts(const text *a, const text *b);
extern void covet_deconstruct(ArrayType *array, Oid element_type,
							  Datum **values, bool **nulls, int *count);

/* The argument as a detoasted text, or NULL when SQL passed NULL. */
#define COVET_ARG_TEXT(n) \
	(PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n))

#endif							/* COVET_ARGS_H */
