/*
 * call_option.c
 *		The last argument of the mongo_ functions: options json.
 *
 * One table of records says which key belongs to which function and what it
 * may hold.  Most keys go to MongoDB as they are.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "bson/bson_map.h"
#include "mongo/mongo.h"

typedef enum KeyKind
{
	KEY_ANY,
	KEY_BOOL,
	KEY_COUNT,					/* a whole number, not negative */
	KEY_DOCUMENT,
	KEY_TEXT_OR_DOCUMENT,
	KEY_READ_PREFERENCE,
	KEY_WRITE_CONCERN,
	KEY_ON_DUPLICATE
} KeyKind;

typedef struct CallKey
{
	const char *name;
	int			functions;		/* MONGO_FIND and so on */
	KeyKind		kind;
} CallKey;

#define INSERTS		(MONGO_INSERT_ONE | MONGO_INSERT_MANY)
#define WRITES		(INSERTS | MONGO_DROP)
#define ALL			(WRITES | MONGO_FIND)

static const CallKey call_keys[] = {
	{"hint", MONGO_FIND, KEY_TEXT_OR_DOCUMENT},
	{"collation", MONGO_FIND, KEY_DOCUMENT},
	{"let", MONGO_FIND, KEY_DOCUMENT},
	{"batchSize", MONGO_FIND, KEY_COUNT},
	{"allowDiskUse", MONGO_FIND, KEY_BOOL},
	{"readPreference", MONGO_FIND, KEY_READ_PREFERENCE},
	{"readConcern", MONGO_FIND, KEY_DOCUMENT},
	{"comment", ALL, KEY_ANY},
	{"maxTimeMS", ALL, KEY_COUNT},
	{"writeConcern", WRITES, KEY_WRITE_CONCERN},
	{"bypassDocumentValidation", INSERTS, KEY_BOOL},
	{"onDuplicate", MONGO_INSERT_MANY, KEY_ON_DUPLICATE},
};

static const struct
{
	const char *name;
	mongoc_read_mode_t mode;
}			read_modes[] =
{
	{"primary", MONGOC_READ_PRIMARY},
	{"primaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
	{"secondary", MONGOC_READ_SECONDARY},
	{"secondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
	{"nearest", MONGOC_READ_NEAREST},
};

static const CallKey *
find_key(const char *name, int function)
{
	MongoClosest closest;

	for (int i = 0; i < (int) lengthof(call_keys); i++)
	{
		if ((call_keys[i].functions & function) && strcmp(call_keys[i].name, name) == 0)
			return &call_keys[i];
	}

	covet_mongo_closest_init(&closest, name);
	for (int i = 0; i < (int) lengthof(call_keys); i++)
	{
		if (call_keys[i].functions & function)
			covet_mongo_closest_offer(&closest, call_keys[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid key \"%s\" in options", name),
			 closest.best ? errhint("Perhaps you meant the key \"%s\".", closest.best) : 0));
	return NULL;
}

static void
wrong_value(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value of key \"%s\" in options", key),
			 errdetail("It must be %s.", wanted)));
}

static mongoc_read_prefs_t *
new_read_prefs(const char *mode)
{
	for (int i = 0; i < (int) lengthof(read_modes); i++)
	{
		if (pg_strcasecmp(read_modes[i].name, mode) == 0)
		{
			mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(read_modes[i].mode);

			covet_mongo_own(prefs, (void (*) (void *)) mongoc_read_prefs_destroy);
			return prefs;
		}
	}
	wrong_value("readPreference",
				"\"primary\", \"primaryPreferred\", \"secondary\", \"secondaryPreferred\" or \"nearest\", or an object with one of them as \"mode\"");
	return NULL;
}

/* {"mode": .., "tags": [..], "maxStalenessSeconds": ..} */
static mongoc_read_prefs_t *
read_prefs_from_document(bson_iter_t *value)
{
	mongoc_read_prefs_t *prefs;
	bson_iter_t iter;
	const char *mode = "";

	if (bson_iter_recurse(value, &iter) && bson_iter_find(&iter, "mode") &&
		BSON_ITER_HOLDS_UTF8(&iter))
		mode = bson_iter_utf8(&iter, NULL);
	prefs = new_read_prefs(mode);

	(void) bson_iter_recurse(value, &iter);
	while (bson_iter_next(&iter))
	{
		const char *key = bson_iter_key(&iter);

		if (strcmp(key, "tags") == 0 && BSON_ITER_HOLDS_ARRAY(&iter))
		{
			const uint8_t *data;
			uint32_t	len;
			bson_t		tags;

			bson_iter_array(&iter, &len, &data);
			(void) bson_init_static(&tags, data, len);
			mongoc_read_prefs_set_tags(prefs, &tags);
		}
		else if (strcmp(key, "maxStalenessSeconds") == 0 && BSON_ITER_HOLDS_NUMBER(&iter))
			mongoc_read_prefs_set_max_staleness_seconds(prefs, bson_iter_as_int64(&iter));
		else if (strcmp(key, "mode") != 0)
			wrong_value("readPreference",
						"an object with the keys \"mode\", \"tags\" (an array) and \"maxStalenessSeconds\" (a number)");
	}
	if (!mongoc_read_prefs_is_valid(prefs))
		wrong_value("readPreference", "one that MongoDB accepts: \"primary\" goes with no tags, and maxStalenessSeconds is at least 90");
	return prefs;
}

static void
check_write_concern(bson_iter_t *value)
{
	bson_iter_t iter;

	if (!BSON_ITER_HOLDS_DOCUMENT(value))
		wrong_value("writeConcern", "an object");
	/* Nobody would answer, and the result of the function would be invented. */
	if (bson_iter_recurse(value, &iter) && bson_iter_find(&iter, "w") &&
		BSON_ITER_HOLDS_NUMBER(&iter) && bson_iter_as_int64(&iter) == 0)
		wrong_value("writeConcern", "an acknowledged one, not {\"w\": 0}");
}

static void
check_on_duplicate(bson_iter_t *value, MongoCallOptions *options)
{
	const char *word = BSON_ITER_HOLDS_UTF8(value) ? bson_iter_utf8(value, NULL) : "";

	if (strcmp(word, "skip") == 0)
		options->skip_duplicates = true;
	else if (strcmp(word, "error") != 0)
		wrong_value("onDuplicate", "\"error\" or \"skip\"");
}

/* Is it a number like 5, 5.0 or {"$numberLong":"5"}? */
static bool
is_count(bson_iter_t *value)
{
	if (BSON_ITER_HOLDS_DOUBLE(value))
		return bson_iter_double(value) >= 0 &&
			bson_iter_double(value) == (double) bson_iter_as_int64(value);
	return BSON_ITER_HOLDS_INT(value) && bson_iter_as_int64(value) >= 0;
}

static void
take_key(const CallKey *key, bson_iter_t *value, MongoCallOptions *options)
{
	switch (key->kind)
	{
		case KEY_ANY:
			break;
		case KEY_BOOL:
			if (!BSON_ITER_HOLDS_BOOL(value))
				wrong_value(key->name, "true or false");
			break;
		case KEY_COUNT:
			if (!is_count(value))
				wrong_value(key->name, "a whole number that is not negative");
			BSON_APPEND_INT64(options->opts, key->name, bson_iter_as_int64(value));
			return;
		case KEY_DOCUMENT:
			if (!BSON_ITER_HOLDS_DOCUMENT(value))
				wrong_value(key->name, "an object");
			break;
		case KEY_TEXT_OR_DOCUMENT:
			if (!BSON_ITER_HOLDS_DOCUMENT(value) && !BSON_ITER_HOLDS_UTF8(value))
				wrong_value(key->name, "a string or an object");
			break;
		case KEY_READ_PREFERENCE:
			if (BSON_ITER_HOLDS_UTF8(value))
				options->read_prefs = new_read_prefs(bson_iter_utf8(value, NULL));
			else if (BSON_ITER_HOLDS_DOCUMENT(value))
				options->read_prefs = read_prefs_from_document(value);
			else
				new_read_prefs("");
			return;
		case KEY_WRITE_CONCERN:
			check_write_concern(value);
			break;
		case KEY_ON_DUPLICATE:
			check_on_duplicate(value, options);
			return;
	}
	bson_append_iter(options->opts, NULL, -1, value);
}

/*
 * Read the options argument of a function, MONGO_FIND and so on; NULL stands
 * for none.  The result belongs to the current memory context.  Raises 22023
 * for a key or a value the function does not take.
 */
MongoCallOptions *
covet_mongo_call_options(const text *options, int function)
{
	MongoCallOptions *result = (MongoCallOptions *) palloc0(sizeof(MongoCallOptions));
	bson_iter_t iter;

	result->opts = bson_new();
	covet_bson_own(result->opts);
	if (options == NULL)
		return result;
	if (!bson_iter_init(&iter, covet_bson_from_json(options, "options")))
		return result;
	while (bson_iter_next(&iter))
		take_key(find_key(bson_iter_key(&iter), function), &iter, result);
	return result;
}
