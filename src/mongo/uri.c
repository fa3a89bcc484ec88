/*
 * uri.c
 *		From options to the driver's URI and TLS options.
 *
 * A URI is never printed together: user names and passwords go in through the
 * driver's setters, so no character in them can mean anything else.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "bson/bson_map.h"
#include "mongo/mongo.h"

/* The driver's own defaults, spelled out because covet counts on them. */
#define CONNECT_TIMEOUT_MS		10000
#define SOCKET_TIMEOUT_MS		300000
#define SELECTION_TIMEOUT_MS	30000

/* Longest appname MongoDB takes. */
#define MAX_APP_NAME			128

/*
 * Stands in for the user name and the password while a URI with an
 * authMechanism is parsed: the driver accepts that only with them, and covet's
 * are in the user mapping.
 */
#define PLACEHOLDER		"covet.placeholder"

/* Parts of a URI that read files of this machine. */
static const char *const file_keys[] = {
	MONGOC_URI_TLSCAFILE, MONGOC_URI_TLSCERTIFICATEKEYFILE,
	"sslcertificateauthorityfile", "sslclientcertificatekeyfile"
};

/* Parts that switch checks of the certificate off. */
static const char *const insecure_keys[] = {
	MONGOC_URI_TLSINSECURE, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES,
	MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, "sslallowinvalidcertificates",
	"sslallowinvalidhostnames"
};

/* Ways to log in as the machine and not as the user of the mapping. */
static const char *const machine_mechanisms[] = {
	"MONGODB-AWS", "GSSAPI", "MONGODB-OIDC", "MONGODB-X509"
};

static void
destroy_uri(void *uri)
{
	mongoc_uri_destroy((mongoc_uri_t *) uri);
}

static void
refuse_credentials(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"uri\" must not contain %s", what),
			 errdetail("Everybody can read the options of a server."),
			 errhint("Put credentials into the user mapping.")));
}

static void
refuse_right(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("only superusers may use %s in option \"uri\"", what),
			 hint ? errhint("%s", hint) : 0));
}

/* Is there a user part, as "mongodb://user:secret@host"? */
static bool
has_user_part(const char *value)
{
	const char *authority = strstr(value, "://");

	if (authority == NULL)
		return strchr(value, '@') != NULL;
	authority += 3;
	return memchr(authority, '@', strcspn(authority, "/?")) != NULL;
}

/* The URI with the credentials in it that the driver would miss. */
static const char *
with_placeholder(const char *value)
{
	static const struct
	{
		const char *name;		/* or how it begins */
		const char *credentials;
	}			mechanisms[] =
	{
		{"PLAIN", PLACEHOLDER ":" PLACEHOLDER},
		{"SCRAM-SHA-", PLACEHOLDER ":" PLACEHOLDER},
		{"GSSAPI", PLACEHOLDER}
	};
	const char *authority = strstr(value, "://");
	const char *option = strcasestr(value, MONGOC_URI_AUTHMECHANISM "=");

	if (authority == NULL || option == NULL)
		return value;
	option += strlen(MONGOC_URI_AUTHMECHANISM "=");
	for (int i = 0; i < (int) lengthof(mechanisms); i++)
	{
		if (pg_strncasecmp(option, mechanisms[i].name, strlen(mechanisms[i].name)) == 0)
			return psprintf("%.*s://%s@%s", (int) (authority - value), value,
							mechanisms[i].credentials, authority + 3);
	}
	return value;
}

/*
 * Parse a URI, owned by the current memory context.  Raises 22023, never
 * quoting a URI that has credentials in it.
 */
mongoc_uri_t *
covet_mongo_uri_parse(const char *value)
{
	bson_error_t error = {0};
	mongoc_uri_t *uri;

	covet_mongo_start();
	if (has_user_part(value))
		refuse_credentials("a user name or password");
	uri = mongoc_uri_new_with_error(covet_mongo_to_utf8(with_placeholder(value)), &error);
	if (uri == NULL)
	{
		/* An '@' further on may still belong to a malformed password. */
		if (strchr(value, '@'))
			refuse_credentials("the character \"@\" outside of credentials");
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\"", "uri"),
				 errdetail("%s.", covet_mongo_from_utf8(error.message))));
	}
	covet_mongo_own(uri, destroy_uri);
	return uri;
}

static bool
insecure_tls(const mongoc_uri_t *uri)
{
	for (int i = 0; i < (int) lengthof(insecure_keys); i++)
	{
		if (mongoc_uri_get_option_as_bool(uri, insecure_keys[i], false))
			return true;
	}
	return false;
}

static void
check_uri_rights(const mongoc_uri_t *uri, const char *value, const char *hint)
{
	const char *mechanism = mongoc_uri_get_auth_mechanism(uri);

	/* A part some versions of the driver do not know, and so do not keep. */
	if (strcasestr(value, "tlsCRLFile"))
		refuse_right("a file", hint);
	for (int i = 0; i < (int) lengthof(file_keys); i++)
	{
		if (mongoc_uri_get_option_as_utf8(uri, file_keys[i], NULL))
			refuse_right("a file", hint);
	}
	if (insecure_tls(uri))
		refuse_right("TLS without checking the certificate", hint);
	for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri); host; host = host->next)
	{
		if (host->family == AF_UNIX || strchr(host->host, '/'))
			refuse_right("a unix socket", hint);
	}
	if (mechanism == NULL)
		return;
	for (int i = 0; i < (int) lengthof(machine_mechanisms); i++)
	{
		if (pg_strcasecmp(mechanism, machine_mechanisms[i]) == 0)
			refuse_right("an authMechanism with the identity of the machine", hint);
	}
	if (pg_strcasecmp(mechanism, "PLAIN") == 0 && !mongoc_uri_get_tls(uri))
		refuse_right("authMechanism PLAIN without TLS", hint);
}

/* Is this more than our placeholder? */
static bool
is_credential(const char *part)
{
	return part != NULL && strcmp(part, PLACEHOLDER) != 0;
}

/*
 * Check the value of the server option "uri" for somebody who is or is not
 * privileged.  Raises 22023 or 42501.
 */
void
covet_mongo_uri_check(const char *value, bool privileged, const char *hint)
{
	mongoc_uri_t *uri = covet_mongo_uri_parse(value);
	bson_t		properties;

	if (is_credential(mongoc_uri_get_username(uri)) ||
		is_credential(mongoc_uri_get_password(uri)))
		refuse_credentials("a user name or password");
	if (mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL) ||
		mongoc_uri_get_option_as_utf8(uri, "sslclientcertificatekeypassword", NULL))
		refuse_credentials("tlsCertificateKeyFilePassword");
	/* The driver adds one of its own for GSSAPI. */
	if (strcasestr(value, MONGOC_URI_AUTHMECHANISMPROPERTIES) ||
		(mongoc_uri_get_mechanism_properties(uri, &properties) &&
		 bson_count_keys(&properties) > (bson_has_field(&properties, "SERVICE_NAME") ? 1 : 0)))
		refuse_credentials("authMechanismProperties");
	/* The results of the writing functions are what the server answers. */
	if (!mongoc_write_concern_is_acknowledged(mongoc_uri_get_write_concern(uri)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"uri\" must not ask for unacknowledged writes")));
	if (!privileged)
		check_uri_rights(uri, value, hint);
}

/* ----------
 * Building
 * ----------
 */

static void
set_failed(const char *option)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the MongoDB driver does not accept the value of option \"%s\"", option)));
}

static void
set_text(mongoc_uri_t *uri, List *options, const char *name, const char *key)
{
	const char *value = covet_mongo_option(options, name);

	if (value && !mongoc_uri_set_option_as_utf8(uri, key, covet_mongo_to_utf8(value)))
		set_failed(name);
}

static void
set_bool(mongoc_uri_t *uri, List *options, const char *name, const char *key)
{
	if (covet_mongo_option(options, name) &&
		!mongoc_uri_set_option_as_bool(uri, key, covet_mongo_option_bool(options, name, false)))
		set_failed(name);
}

/* A duration: of the option, else of the URI, else the default. */
static int
set_ms(mongoc_uri_t *uri, List *options, const char *name, const char *key, int missing)
{
	int			ms = mongoc_uri_get_option_as_int32(uri, key, 0);

	if (ms <= 0)
		ms = missing;
	ms = covet_mongo_option_ms(options, name, ms);
	if (!mongoc_uri_set_option_as_int32(uri, key, ms))
		set_failed(name);
	return ms;
}

static void
set_read_preference(mongoc_uri_t *uri, List *options)
{
	static const struct
	{
		const char *name;
		mongoc_read_mode_t mode;
	}			modes[] =
	{
		{"primary", MONGOC_READ_PRIMARY},
		{"primaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
		{"secondary", MONGOC_READ_SECONDARY},
		{"secondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
		{"nearest", MONGOC_READ_NEAREST}
	};
	const char *value = covet_mongo_option(options, "read_preference");

	for (int i = 0; value && i < (int) lengthof(modes); i++)
	{
		mongoc_read_prefs_t *prefs;

		if (pg_strcasecmp(value, modes[i].name) != 0)
			continue;
		prefs = mongoc_read_prefs_new(modes[i].mode);
		mongoc_uri_set_read_prefs_t(uri, prefs);
		mongoc_read_prefs_destroy(prefs);
	}
}

static void
set_app_name(mongoc_uri_t *uri, List *options)
{
	const char *value = covet_mongo_option(options, "app_name");
	char		made[MAX_APP_NAME];

	if (value == NULL && mongoc_uri_get_appname(uri) != NULL)
		return;
	if (value == NULL)
	{
		snprintf(made, sizeof(made), "covet/%s/%d", get_database_name(MyDatabaseId), MyProcPid);
		value = made;
	}
	if (!mongoc_uri_set_appname(uri, covet_mongo_to_utf8(value)))
		set_failed("app_name");
}

static void
set_compressors(mongoc_uri_t *uri, List *options)
{
	const char *value = covet_mongo_option(options, "compressors");
	StringInfoData list;

	if (value == NULL)
		return;
	/* The driver wants commas and no blanks. */
	initStringInfo(&list);
	for (const char *p = value; *p; p++)
	{
		if (*p != ' ')
			appendStringInfoChar(&list, pg_tolower((unsigned char) *p));
	}
	if (!mongoc_uri_set_compressors(uri, list.data))
		set_failed("compressors");
}

static void
set_credentials(mongoc_uri_t *uri, List *server, List *mapping)
{
	const char *username = covet_mongo_option(mapping, "username");
	const char *password = covet_mongo_option(mapping, "password");
	const char *database = covet_mongo_option(server, "authentication_database");
	const char *properties = covet_mongo_option(mapping, "auth_mechanism_properties");

	if (username == NULL && mongoc_uri_get_username(uri))
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("a user name is required"),
				 errdetail("The authMechanism of the server needs the option \"username\" of the user mapping.")));
	if (password == NULL && mongoc_uri_get_password(uri))
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("a password is required"),
				 errdetail("The authMechanism of the server needs the option \"password\" of the user mapping.")));
	if (username && !mongoc_uri_set_username(uri, covet_mongo_to_utf8(username)))
		set_failed("username");
	if (password && !mongoc_uri_set_password(uri, covet_mongo_to_utf8(password)))
		set_failed("password");
	if (database && !mongoc_uri_set_auth_source(uri, covet_mongo_to_utf8(database)))
		set_failed("authentication_database");
	if (properties &&
		!mongoc_uri_set_mechanism_properties(uri,
											 covet_bson_from_json(cstring_to_text(properties),
																  "auth_mechanism_properties")))
		set_failed("auth_mechanism_properties");
}

/* A file or password: of the option, else of the URI; palloc'd or NULL. */
static const char *
tls_text(const mongoc_uri_t *uri, List *options, const char *name, const char *key)
{
	const char *value = options ? covet_mongo_option(options, name) : NULL;

	if (value == NULL && key)
		value = mongoc_uri_get_option_as_utf8(uri, key, NULL);
	return value ? pstrdup(value) : NULL;
}

static void
set_tls(MongoConnection *connection, mongoc_uri_t *uri, List *server, List *mapping)
{
	MongoNet   *net = &connection->net;

	set_bool(uri, server, "ssl", MONGOC_URI_TLS);
	net->tls = mongoc_uri_get_tls(uri);
	net->ssl = *mongoc_ssl_opt_get_default();
	net->ssl.pem_file = tls_text(uri, server, "pem_file", MONGOC_URI_TLSCERTIFICATEKEYFILE);
	net->ssl.pem_pwd = tls_text(uri, mapping, "tls_key_password", NULL);
	if (net->ssl.pem_pwd == NULL)
		net->ssl.pem_pwd = tls_text(uri, server, "pem_pwd", NULL);
	net->ssl.ca_file = tls_text(uri, server, "ca_file", MONGOC_URI_TLSCAFILE);
	net->ssl.ca_dir = tls_text(uri, server, "ca_dir", NULL);
	net->ssl.crl_file = tls_text(uri, server, "crl_file", NULL);
	net->ssl.weak_cert_validation =
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false) ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);
	net->ssl.weak_cert_validation =
		covet_mongo_option_bool(server, "weak_cert_validation", net->ssl.weak_cert_validation);
	net->ssl.allow_invalid_hostname = net->ssl.weak_cert_validation ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false);
}

/* The path of a unix socket: its slashes mean something else in a URI. */
static char *
escape_path(const char *path)
{
	StringInfoData escaped;

	initStringInfo(&escaped);
	for (; *path; path++)
	{
		if (*path == '/' || *path == '%')
			appendStringInfo(&escaped, "%%%02X", (unsigned char) *path);
		else
			appendStringInfoChar(&escaped, *path);
	}
	return escaped.data;
}

static mongoc_uri_t *
base_uri(List *server)
{
	const char *value = covet_mongo_option(server, "uri");
	const char *address = covet_mongo_option(server, "address");
	mongoc_uri_t *uri;

	if (value)
		return covet_mongo_uri_parse(value);
	covet_mongo_start();
	address = address ? covet_mongo_to_utf8(address) : "127.0.0.1";
	/* The driver takes the host as it stands in a URI. */
	if (strchr(address, ':') && address[0] != '[')
		address = psprintf("[%s]", address);
	else if (strchr(address, '/'))
		address = escape_path(address);
	uri = mongoc_uri_new_for_host_port(address, covet_mongo_option_int(server, "port", 27017));
	if (uri == NULL)
		set_failed("address");
	covet_mongo_own(uri, destroy_uri);
	return uri;
}

/*
 * Fill in what a connection needs to make clients: uri, net and timeouts.
 * All of it lives in the current memory context.  The options have been
 * checked.
 */
void
covet_mongo_uri_build(MongoConnection *connection, List *server, List *mapping)
{
	mongoc_uri_t *uri = base_uri(server);
	MongoNet   *net = &connection->net;

	connection->selection_timeout =
		set_ms(uri, server, "server_selection_timeout",
			   MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_TIMEOUT_MS);
	net->connect_timeout = set_ms(uri, server, "connect_timeout",
								  MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_TIMEOUT_MS);
	if (net->connect_timeout > connection->selection_timeout)
	{
		net->connect_timeout = connection->selection_timeout;
		mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, net->connect_timeout);
	}
	(void) set_ms(uri, server, "socket_timeout", MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_TIMEOUT_MS);
	set_text(uri, server, "replica_set", MONGOC_URI_REPLICASET);
	set_bool(uri, server, "direct_connection", MONGOC_URI_DIRECTCONNECTION);
	set_read_preference(uri, server);
	set_app_name(uri, server);
	set_compressors(uri, server);
	set_credentials(uri, server, mapping);
	set_tls(connection, uri, server, mapping);

	/* covet repeats what may be repeated itself, with a fresh client. */
	mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);

	connection->keep = covet_mongo_option_bool(server, "keep_connections", true);
	connection->fetch_size = covet_mongo_option_int(server, "fetch_size", 0);
	connection->uri = uri;
}
