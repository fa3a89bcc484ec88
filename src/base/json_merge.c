/*
 * json_merge.c
 *		JSON Merge Patch (RFC 7396) on jsonb.
 *
 * A patch that is an object is merged key by key: null removes the key, an
 * object is merged into what is there (into an empty object when that is no
 * object), anything else replaces it.  A patch that is no object replaces the
 * target whole.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/json_merge.h"

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

static void push_patched(JsonbParseState **state, JsonbValue *target,
						 JsonbValue *patch);

/*
 * Push the object that merging the patch object gives; "target" is an object
 * or NULL.
 */
static JsonbValue *
push_merged(JsonbParseState **state, JsonbContainer *target, JsonbContainer *patch)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	check_stack_depth();
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);

	/* What the target has, patched where the patch speaks of it ... */
	iterator = target != NULL ? JsonbIteratorInit(target) : NULL;
	while (iterator != NULL &&
		   (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		JsonbValue	in_patch;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (getKeyJsonValueFromContainer(patch, key.val.string.val, key.val.string.len,
										 &in_patch) == NULL)
		{
			pushJsonbValue(state, WJB_KEY, &key);
			pushJsonbValue(state, WJB_VALUE, &value);
		}
		else if (in_patch.type != jbvNull)
		{
			pushJsonbValue(state, WJB_KEY, &key);
			push_patched(state, &value, &in_patch);
		}
	}

	/* ... and what only the patch has. */
	iterator = JsonbIteratorInit(patch);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		JsonbValue	in_target;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull ||
			(target != NULL &&
			 getKeyJsonValueFromContainer(target, key.val.string.val, key.val.string.len,
										  &in_target) != NULL))
			continue;
		pushJsonbValue(state, WJB_KEY, &key);
		push_patched(state, NULL, &value);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Push the value of a key: the patch, merged into the target (or NULL) when it
 * is an object.
 */
static void
push_patched(JsonbParseState **state, JsonbValue *target, JsonbValue *patch)
{
	if (!is_object(patch))
		pushJsonbValue(state, WJB_VALUE, patch);
	else
		push_merged(state,
					target != NULL && is_object(target) ? target->val.binary.data : NULL,
					patch->val.binary.data);
}

/*
 * The target with the patch merged into it, palloc'd (or the patch itself).
 */
Jsonb *
covet_json_merge(Jsonb *target, Jsonb *patch)
{
	JsonbParseState *state = NULL;

	if (!JB_ROOT_IS_OBJECT(patch))
		return patch;
	return JsonbValueToJsonb(push_merged(&state,
										 JB_ROOT_IS_OBJECT(target) ? &target->root : NULL,
										 &patch->root));
}
