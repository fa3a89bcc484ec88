/*
 * option.c
 *		The options of servers, user mappings, tables and columns.
 *
 * One table of records says where an option may stand, what its value looks
 * like, who may set it, and what it is called in a MongoDB URI.  A new option
 * is one more record.
 *
 * Some options need a superuser.  The validator asks who runs the command;
 * every use of a server asks again who owns it, for ownership can change.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "bson/bson_map.h"
#include "mongo/mongo.h"

typedef enum OptionKind
{
	OPTION_STRING,
	OPTION_BOOL,
	OPTION_INT,
	OPTION_MS,					/* a duration: ms, or with a unit */
	OPTION_WORD,				/* one of some words */
	OPTION_WORDS,				/* a comma-separated list of them */
	OPTION_HOST,
	OPTION_URI,
	OPTION_OBJECT,				/* a JSON object */
	OPTION_ARRAY				/* a JSON array */
} OptionKind;

typedef enum OptionRight
{
	ANYBODY,
	SUPERUSER,
	SUPERUSER_FOR_TRUE,
	SUPERUSER_FOR_FALSE
} OptionRight;

typedef struct MongoOption
{
	const char *name;
	int			where;			/* MONGO_ON_... */
	OptionKind	kind;
	OptionRight right;
	const char *const *words;	/* of OPTION_WORD(S) */
	int			min;			/* of OPTION_INT and OPTION_MS; most bytes */
	int			max;			/* of OPTION_STRING */
} MongoOption;

static const char *const read_preferences[] = {
	"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest", NULL
};
static const char *const compressors[] = {"zstd", "snappy", "zlib", NULL};
static const char *const mismatches[] = {"error", "null", NULL};
static const char *const transactions[] = {"auto", "off", "require", NULL};
static const char *const null_forms[] = {"null", "unset", NULL};
static const char *const bson_types[] = {
	"objectId", "string", "int", "long", "double", "decimal", "date", "uuid", "binary", NULL
};

#define ON_BOTH		(MONGO_ON_SERVER | MONGO_ON_TABLE)
#define STRING(name, where, right, max) \
	{name, where, OPTION_STRING, right, NULL, 0, max}
#define BOOL(name, where, right) \
	{name, where, OPTION_BOOL, right, NULL, 0, 0}
#define INT(name, where, min, max) \
	{name, where, OPTION_INT, ANYBODY, NULL, min, max}
#define MS(name, min) \
	{name, MONGO_ON_SERVER, OPTION_MS, ANYBODY, NULL, min, PG_INT32_MAX}
#define WORD(name, where, words) \
	{name, where, OPTION_WORD, ANYBODY, words, 0, 0}

static const MongoOption all_options[] = {
	/* where the server is */
	{"uri", MONGO_ON_SERVER, OPTION_URI, ANYBODY, NULL, 0, 0},
	{"address", MONGO_ON_SERVER, OPTION_HOST, ANYBODY, NULL, 0, 0},
	INT("port", MONGO_ON_SERVER, 1, 65535),
	STRING("replica_set", MONGO_ON_SERVER, ANYBODY, 255),
	BOOL("direct_connection", MONGO_ON_SERVER, ANYBODY),
	STRING("authentication_database", MONGO_ON_SERVER, ANYBODY, 63),
	WORD("read_preference", MONGO_ON_SERVER, read_preferences),
	STRING("app_name", MONGO_ON_SERVER, ANYBODY, 128),
	{"compressors", MONGO_ON_SERVER, OPTION_WORDS, ANYBODY, compressors, 0, 0},

	/* TLS */
	BOOL("ssl", MONGO_ON_SERVER, ANYBODY),
	STRING("pem_file", MONGO_ON_SERVER, SUPERUSER, 1024),
	STRING("pem_pwd", MONGO_ON_SERVER, SUPERUSER, 1024),
	STRING("ca_file", MONGO_ON_SERVER, SUPERUSER, 1024),
	STRING("ca_dir", MONGO_ON_SERVER, SUPERUSER, 1024),
	STRING("crl_file", MONGO_ON_SERVER, SUPERUSER, 1024),
	BOOL("weak_cert_validation", MONGO_ON_SERVER, SUPERUSER_FOR_TRUE),

	/* waiting, and how many */
	MS("connect_timeout", 1),
	MS("socket_timeout", 1),
	MS("server_selection_timeout", 1),
	MS("acquire_timeout", 1),
	MS("idle_timeout", 1),
	INT("max_connections", MONGO_ON_SERVER, 1, 100000),
	BOOL("keep_connections", MONGO_ON_SERVER, ANYBODY),

	/* foreign tables, all of a server or one */
	BOOL("use_remote_estimate", ON_BOTH, ANYBODY),
	BOOL("enable_join_pushdown", ON_BOTH, ANYBODY),
	BOOL("enable_aggregate_pushdown", ON_BOTH, ANYBODY),
	BOOL("enable_order_by_pushdown", ON_BOTH, ANYBODY),
	INT("batch_size", ON_BOTH, 1, 100000),
	INT("fetch_size", ON_BOTH, 1, 1000000),
	WORD("on_mismatch", ON_BOTH, mismatches),
	WORD("transactions", ON_BOTH, transactions),
	STRING("database", MONGO_ON_TABLE, ANYBODY, 63),
	STRING("collection", MONGO_ON_TABLE, ANYBODY, 255),
	BOOL("read_only", MONGO_ON_TABLE, ANYBODY),
	BOOL("updatable", MONGO_ON_TABLE, ANYBODY),
	STRING("unwind", MONGO_ON_TABLE, ANYBODY, 1024),
	{"pipeline", MONGO_ON_TABLE, OPTION_ARRAY, ANYBODY, NULL, 0, 0},
	INT("sample_size", MONGO_ON_TABLE, 1, 10000000),
	WORD("null_as", MONGO_ON_TABLE, null_forms),
	STRING("hint", MONGO_ON_TABLE, ANYBODY, 1024),
	{"collation", MONGO_ON_TABLE, OPTION_OBJECT, ANYBODY, NULL, 0, 0},
	BOOL("not_array", MONGO_ON_TABLE | MONGO_ON_COLUMN, ANYBODY),

	/* columns */
	STRING("field", MONGO_ON_COLUMN, ANYBODY, 1024),
	WORD("bson_type", MONGO_ON_COLUMN, bson_types),

	/* user mappings */
	STRING("username", MONGO_ON_MAPPING, ANYBODY, 1024),
	STRING("password", MONGO_ON_MAPPING, ANYBODY, 1024),
	BOOL("password_required", MONGO_ON_MAPPING, SUPERUSER_FOR_FALSE),
	STRING("tls_key_password", MONGO_ON_MAPPING, ANYBODY, 1024),
	{"auth_mechanism_properties", MONGO_ON_MAPPING, OPTION_OBJECT, SUPERUSER, NULL, 0, 0},
};

/* ----------
 * The nearest word, for hints
 * ----------
 */

/*
 * Start looking for the candidate nearest to a word, which must outlive the
 * state.
 */
void
covet_mongo_closest_init(MongoClosest *state, const char *word)
{
	state->word = word;
	state->best = NULL;
	state->distance = 4;		/* farther than this is no misspelling */
}

/*
 * Offer a candidate; state->best is the nearest so far, or NULL.
 */
void
covet_mongo_closest_offer(MongoClosest *state, const char *candidate)
{
	int			len = strlen(state->word);
	int			candidate_len = strlen(candidate);
	int			distance;

	if (len > NAMEDATALEN)
		return;
	distance = varstr_levenshtein_less_equal(state->word, len, candidate, candidate_len,
											 1, 1, 1, state->distance, true);
	/* More than a third wrong is another word. */
	if (distance <= state->distance && distance <= Max(candidate_len / 3, 1) &&
		(state->best == NULL || distance < state->distance))
	{
		state->best = candidate;
		state->distance = distance;
	}
}

/* ----------
 * Reading
 * ----------
 */

/*
 * The value of an option in a list of DefElems, or NULL.
 */
const char *
covet_mongo_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = (DefElem *) lfirst(cell);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

/*
 * A boolean option that has passed the validator.
 */
bool
covet_mongo_option_bool(List *options, const char *name, bool missing)
{
	const char *value = covet_mongo_option(options, name);
	bool		result = missing;

	if (value)
		(void) parse_bool(value, &result);
	return result;
}

/*
 * An integer option that has passed the validator.
 */
int
covet_mongo_option_int(List *options, const char *name, int missing)
{
	const char *value = covet_mongo_option(options, name);
	int			result = missing;

	if (value)
		(void) parse_int(value, &result, 0, NULL);
	return result;
}

/*
 * A duration that has passed the validator, in milliseconds.
 */
int
covet_mongo_option_ms(List *options, const char *name, int missing)
{
	const char *value = covet_mongo_option(options, name);
	int			result = missing;

	if (value)
		(void) parse_int(value, &result, GUC_UNIT_MS, NULL);
	return result;
}

/* ----------
 * Checking
 * ----------
 */

static const MongoOption *
find_option(const char *name, int where)
{
	for (int i = 0; i < (int) lengthof(all_options); i++)
	{
		if ((all_options[i].where & where) && strcmp(all_options[i].name, name) == 0)
			return &all_options[i];
	}
	return NULL;
}

static void
unknown_option(const char *name, int where)
{
	MongoClosest closest;
	bool		any = false;

	covet_mongo_closest_init(&closest, name);
	for (int i = 0; i < (int) lengthof(all_options); i++)
	{
		if (all_options[i].where & where)
		{
			covet_mongo_closest_offer(&closest, all_options[i].name);
			any = true;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 closest.best ? errhint("Perhaps you meant the option \"%s\".", closest.best) :
			 any ? 0 : errhint("There are no valid options in this context.")));
}

static void
invalid_value(const MongoOption *option, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
			 hint ? errhint("%s", hint) : 0));
}

static bool
is_word(const MongoOption *option, const char *value)
{
	for (const char *const *word = option->words; *word; word++)
	{
		if (pg_strcasecmp(*word, value) == 0)
			return true;
	}
	return false;
}

static void
check_word(const MongoOption *option, const char *value)
{
	StringInfoData valid;

	if (is_word(option, value))
		return;
	initStringInfo(&valid);
	for (const char *const *word = option->words; *word; word++)
		appendStringInfo(&valid, "%s\"%s\"", valid.len ? ", " : "", *word);
	invalid_value(option, value, psprintf("Valid values are: %s.", valid.data));
}

static void
check_words(const MongoOption *option, const char *value)
{
	char	   *copy = pstrdup(value);
	char	   *state = NULL;
	char	   *word;
	int			words = 0;

	for (word = strtok_r(copy, ", ", &state); word; word = strtok_r(NULL, ", ", &state))
	{
		check_word(option, word);
		words++;
	}
	if (words == 0)
		check_word(option, "");
}

static void
check_number(const MongoOption *option, const char *value)
{
	bool		duration = option->kind == OPTION_MS;
	const char *hint = NULL;
	int			number;

	if (!parse_int(value, &number, duration ? GUC_UNIT_MS : 0, &hint))
		invalid_value(option, value,
					  hint ? hint :
					  duration ? "Write milliseconds, or a number with one of the units \"ms\", \"s\", \"min\", \"h\", and \"d\"." :
					  "Write an integer.");
	if (number < option->min || number > option->max)
		invalid_value(option, value,
					  psprintf("It must be from %d to %d.", option->min, option->max));
}

static void
check_host(const char *value, bool privileged, const char *hint)
{
	/* The driver takes it as it stands in a URI, so a slash may be escaped. */
	if ((strchr(value, '/') || strcasestr(value, "%2f")) && !privileged)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may use a unix socket as address"),
				 hint ? errhint("%s", hint) : 0));
	if (*value == '\0' || strlen(value) > 255 || strpbrk(value, ",@?# \t\n"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", "address", value),
				 errhint("Write one host name or address; several go into the option \"uri\".")));
}

static void
check_value(const MongoOption *option, const char *value, bool privileged,
			const char *hint)
{
	bool		boolean;

	switch (option->kind)
	{
		case OPTION_STRING:
			if (*value == '\0')
				invalid_value(option, value, "It must not be empty.");
			if (strlen(value) > (Size) option->max)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("value of option \"%s\" is too long", option->name),
						 errdetail("The limit is %d bytes.", option->max)));
			break;
		case OPTION_BOOL:
			if (!parse_bool(value, &boolean))
				invalid_value(option, value, "Write \"true\" or \"false\".");
			break;
		case OPTION_INT:
		case OPTION_MS:
			check_number(option, value);
			break;
		case OPTION_WORD:
			check_word(option, value);
			break;
		case OPTION_WORDS:
			check_words(option, value);
			break;
		case OPTION_HOST:
			check_host(value, privileged, hint);
			break;
		case OPTION_URI:
			covet_mongo_uri_check(value, privileged, hint);
			break;
		case OPTION_OBJECT:
			(void) covet_bson_from_json(cstring_to_text(value), option->name);
			break;
		case OPTION_ARRAY:
			(void) covet_bson_array_from_json(cstring_to_text(value), option->name);
			break;
	}
}

static void
check_right(const MongoOption *option, const char *value, const char *hint)
{
	bool		boolean = false;

	if (option->right == ANYBODY)
		return;
	if (option->right != SUPERUSER)
	{
		(void) parse_bool(value, &boolean);
		if (boolean != (option->right == SUPERUSER_FOR_TRUE))
			return;
	}
	if (option->right == SUPERUSER)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may set option \"%s\"", option->name),
				 hint ? errhint("%s", hint) : 0));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("only superusers may set option \"%s\" to %s", option->name,
					boolean ? "true" : "false"),
			 hint ? errhint("%s", hint) : 0));
}

/* Options that contradict or need one another. */
static void
check_together(List *options, int where, bool privileged)
{
	if (where == MONGO_ON_SERVER && covet_mongo_option(options, "uri") &&
		(covet_mongo_option(options, "address") || covet_mongo_option(options, "port")))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"uri\" cannot be used together with \"address\" or \"port\"")));

	if (where == MONGO_ON_MAPPING && !privileged &&
		(covet_mongo_option(options, "username") == NULL ||
		 covet_mongo_option(options, "password") == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a user name and a password are required"),
				 errdetail("Only superusers may make a user mapping without the options \"username\" and \"password\".")));
}

/*
 * Check options of one place, MONGO_ON_..., for somebody who is or is not
 * privileged.  Raises HV00D for a name, 22023 for a value, 42501 for a right;
 * hint goes with the last.
 */
void
covet_mongo_options_check(List *options, int where, bool privileged, const char *hint)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = (DefElem *) lfirst(cell);
		const MongoOption *option = find_option(def->defname, where);
		const char *value;

		if (option == NULL)
			unknown_option(def->defname, where);
		value = defGetString(def);
		check_value(option, value, privileged, hint);
		if (!privileged)
			check_right(option, value, hint);
	}
	check_together(options, where, privileged);
}

PG_FUNCTION_INFO_V1(covet__mongo_validator);

/*
 * covet._mongo_validator(options text[], catalog oid): the wrapper's
 * validator.
 */
Datum
covet__mongo_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	int			where = 0;

	switch (PG_GETARG_OID(1))
	{
		case ForeignServerRelationId:
			where = MONGO_ON_SERVER;
			break;
		case UserMappingRelationId:
			where = MONGO_ON_MAPPING;
			break;
		case ForeignTableRelationId:
			where = MONGO_ON_TABLE;
			break;
		case AttributeRelationId:
			where = MONGO_ON_COLUMN;
			break;
	}
	covet_mongo_options_check(options, where, superuser(), NULL);
	PG_RETURN_VOID();
}
