/*
 * covet.h
 *		Words that all rooms share: limits, the kinds of a value, and the
 *		guards every SQL function begins with.
 */
#ifndef COVET_H
#define COVET_H

/* Limits of API.md, in bytes. */
#define COVET_KEY_MAX		1024
#define COVET_NAMESPACE_MAX	63
#define COVET_LOCK_MAX		63
#define COVET_TOKEN_MAX		512
#define COVET_USER_MAX		512
#define COVET_JTI_MAX		512
#define COVET_ISSUER_MAX	512
#define COVET_TAG_MAX		255
#define COVET_TAGS_MAX		8	/* tags of one entry */
#define COVET_BATCH_MAX		(16 * 1024 * 1024)	/* elements of an array */
#define COVET_USER_AGENT_MAX	1024	/* longer ones are cut */

/* What a stored value was given as; stored in the frame, so never renumber. */
typedef enum ValueKind
{
	VALUE_TEXT = 1,
	VALUE_BYTEA = 2,
	VALUE_JSONB = 3
} ValueKind;

#endif							/* COVET_H */
