/*
 * address.c
 *		From a host to the addresses a stream may connect to.
 *
 * Names are looked up with getaddrinfo_a, whose helper thread does the
 * blocking part, so that a cancel is seen while a name server is silent.  An
 * abandoned lookup cannot be stopped: its memory stays until it ends.
 *
 * Every address is matched against covet.mongo_allowed_hosts here, after the
 * lookup and whoever named the host: a replica set's own list of members is as
 * foreign as an answer of the DNS.  Like all that streams call, nothing here
 * raises; a failure is noted in the net.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "utils/guc.h"

#include "base/compat.h"
#include "mongo/mongo.h"

/* Longest name of a host; the driver's own limit is 255. */
#define MAX_HOST		256

/* How long to sleep between two looks at a running lookup. */
#define LOOKUP_POLL_US	2000

typedef struct Lookup
{
	struct gaicb request;
	struct addrinfo hints;
	char		host[MAX_HOST];
	char		port[8];
	struct Lookup *next;
} Lookup;

/* Lookups a cancel left running. */
static Lookup *abandoned = NULL;

static void
free_lookup(Lookup *lookup)
{
	if (lookup->request.ar_result)
		freeaddrinfo(lookup->request.ar_result);
	free(lookup);
}

/* Free the abandoned lookups that have ended meanwhile. */
static void
reap_abandoned(void)
{
	Lookup	  **link = &abandoned;

	while (*link)
	{
		Lookup	   *lookup = *link;

		if (gai_error(&lookup->request) == EAI_INPROGRESS)
		{
			link = &lookup->next;
			continue;
		}
		*link = lookup->next;
		free_lookup(lookup);
	}
}

static void
abandon(Lookup *lookup)
{
	if (gai_cancel(&lookup->request) == EAI_CANCELED)
	{
		free_lookup(lookup);
		return;
	}
	lookup->next = abandoned;
	abandoned = lookup;
}

/*
 * The address behind an IPv4-mapped IPv6 one, so that ::ffff:169.254.1.1
 * is judged as what it reaches.
 */
static void
unmap(const struct sockaddr *addr, int *family, const uint8 **bytes)
{
	*family = addr->sa_family;
	if (addr->sa_family == AF_INET)
		*bytes = (const uint8 *) &((const struct sockaddr_in *) addr)->sin_addr;
	else
	{
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *) addr)->sin6_addr;

		*bytes = in6->s6_addr;
		if (IN6_IS_ADDR_V4MAPPED(in6))
		{
			*family = AF_INET;
			*bytes = in6->s6_addr + 12;
		}
	}
}

static bool
same_prefix(const uint8 *a, const uint8 *b, int bits)
{
	int			whole = bits / 8;
	int			rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/*
 * Is this an address of 169.254.0.0/16 or fe80::/10?  Also when the former
 * stands at the end of one that is translated to IPv4 on its way (NAT64,
 * 64:ff9b::/96) or once was (::/96).
 */
static bool
is_link_local(int family, const uint8 *bytes)
{
	static const uint8 v4[] = {169, 254};
	static const uint8 v6[] = {0xfe, 0x80};
	static const uint8 nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8 compatible[12] = {0};

	if (family == AF_INET)
		return same_prefix(bytes, v4, 16);
	if (same_prefix(bytes, nat64, 96) || same_prefix(bytes, compatible, 96))
		return same_prefix(bytes + 12, v4, 16);
	return same_prefix(bytes, v6, 10);
}

/* Does "10.0.0.0/8", "::1" or the like contain the address? */
static bool
network_matches(const char *entry, int family, const uint8 *bytes)
{
	char		text[INET6_ADDRSTRLEN + 4];
	char	   *slash;
	uint8		network[16];
	int			entry_family;
	int			bits;

	if (strlen(entry) >= sizeof(text))
		return false;
	strcpy(text, entry);
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';

	if (inet_pton(AF_INET, text, network) == 1)
		entry_family = AF_INET;
	else if (inet_pton(AF_INET6, text, network) == 1)
		entry_family = AF_INET6;
	else
		return false;

	bits = entry_family == AF_INET ? 32 : 128;
	if (slash)
	{
		char	   *end;
		long		given = strtol(slash + 1, &end, 10);

		if (end == slash + 1 || *end != '\0' || given < 0 || given > bits)
			return false;
		bits = (int) given;
	}
	return entry_family == family && same_prefix(network, bytes, bits);
}

/* Does "db.example.com" or "*.example.com" name the host? */
static bool
name_matches(const char *entry, const char *host)
{
	if (entry[0] == '*' && entry[1] == '.')
	{
		Size		suffix = strlen(entry) - 1;
		Size		len = strlen(host);

		return len > suffix && pg_strcasecmp(host + len - suffix, entry + 1) == 0;
	}
	return pg_strcasecmp(entry, host) == 0;
}

/*
 * Do the settings allow connecting to this host at this address?  "*" stands
 * for every address but a link-local one, where clouds keep their secrets.
 */
static bool
allowed(const char *host, const struct sockaddr *addr)
{
	const char *setting = GetConfigOption("covet.mongo_allowed_hosts", true, false);
	const uint8 *bytes;
	int			family;

	if (setting == NULL)
		return false;
	unmap(addr, &family, &bytes);

	while (*setting)
	{
		char		entry[MAX_HOST];
		Size		len = strcspn(setting, ", \t\n\"");

		if (len > 0 && len < sizeof(entry))
		{
			memcpy(entry, setting, len);
			entry[len] = '\0';
			if (strcmp(entry, "*") == 0)
			{
				if (!is_link_local(family, bytes))
					return true;
			}
			else if (name_matches(entry, host) || network_matches(entry, family, bytes))
				return true;
		}
		setting += len;
		setting += strspn(setting, ", \t\n\"");
	}
	return false;
}

/*
 * The address as a person writes it.
 */
void
covet_mongo_address_text(const MongoAddress *address, char *text, Size size)
{
	const struct sockaddr *addr = (const struct sockaddr *) &address->addr;
	char		number[INET6_ADDRSTRLEN];

	if (addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) addr)->sin_addr,
				  number, sizeof(number));
	else if (addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) addr)->sin6_addr,
				  number, sizeof(number));
	else
		strlcpy(number, "unix socket", sizeof(number));
	strlcpy(text, number, size);
}

/* Add an address when it is allowed; note it in the net when not. */
static int
add_address(MongoNet *net, const char *host, const struct sockaddr *addr,
			socklen_t len, MongoAddress *addresses, int count)
{
	MongoAddress *address = &addresses[count];

	memcpy(&address->addr, addr, len);
	address->len = len;
	if (!allowed(host, addr))
	{
		char		text[INET6_ADDRSTRLEN];

		covet_mongo_address_text(address, text, sizeof(text));
		net->refused = true;
		snprintf(net->text, sizeof(net->text),
				 "Host \"%s\" has the address %s, which covet.mongo_allowed_hosts does not allow.",
				 host, text);
		return count;
	}
	return count + 1;
}

/*
 * A unix socket counts only when a superuser's options name it: the members a
 * replica set announces must not lead to whatever listens on this machine.
 */
static int
unix_address(MongoNet *net, const char *path, MongoAddress *address)
{
	struct sockaddr_un *addr = (struct sockaddr_un *) &address->addr;

	const mongoc_host_list_t *named = net->unix_hosts;

	while (named && strcmp(named->host, path) != 0)
		named = named->next;
	if (named == NULL)
	{
		net->refused = true;
		snprintf(net->text, sizeof(net->text),
				 "Only a superuser's server whose options name it may use the unix socket \"%s\".",
				 path);
		return 0;
	}
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlcpy(addr->sun_path, path, sizeof(addr->sun_path)) >= sizeof(addr->sun_path))
	{
		snprintf(net->text, sizeof(net->text),
				 "The path of the unix socket \"%s\" is too long.", path);
		return 0;
	}
	address->len = sizeof(*addr);
	return 1;
}

/* Run one lookup to its end; NULL when it failed or was cancelled. */
static Lookup *
look_up(MongoNet *net, const char *host, int port)
{
	Lookup	   *lookup = (Lookup *) calloc(1, sizeof(Lookup));
	int64		deadline = covet_mongo_deadline(net, net->connect_timeout);
	struct gaicb *list[1];
	int			rc = EAI_MEMORY;

	if (lookup)
	{
		strlcpy(lookup->host, host, sizeof(lookup->host));
		snprintf(lookup->port, sizeof(lookup->port), "%d", port);
		lookup->hints.ai_family = AF_UNSPEC;
		lookup->hints.ai_socktype = SOCK_STREAM;
		lookup->request.ar_name = lookup->host;
		lookup->request.ar_service = lookup->port;
		lookup->request.ar_request = &lookup->hints;
		list[0] = &lookup->request;

		/* An address needs no name server and so no thread. */
		lookup->hints.ai_flags = AI_NUMERICHOST;
		rc = getaddrinfo(host, lookup->port, &lookup->hints, &lookup->request.ar_result);
		if (rc == 0)
			return lookup;
		lookup->hints.ai_flags = AI_ADDRCONFIG;
		rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
		while (rc == 0 && (rc = gai_error(&lookup->request)) == EAI_INPROGRESS)
		{
			if (covet_mongo_net_stop(net) || bson_get_monotonic_time() > deadline)
			{
				abandon(lookup);
				snprintf(net->text, sizeof(net->text),
						 "Host \"%s\" could not be resolved in time.", host);
				return NULL;
			}
			covet_mongo_net_pause(net, LOOKUP_POLL_US);
			rc = 0;
		}
		if (rc == 0)
			return lookup;
		free_lookup(lookup);
	}
	snprintf(net->text, sizeof(net->text),
			 "Host \"%s\" could not be resolved: %s.", host, gai_strerror(rc));
	return NULL;
}

/*
 * The addresses of a host that the settings allow, MONGO_MAX_ADDRESSES at
 * most; 0 with the reason in the net when there is none.
 */
int
covet_mongo_resolve(MongoNet *net, const mongoc_host_list_t *host,
					MongoAddress *addresses)
{
	Lookup	   *lookup;
	int			count = 0;

	reap_abandoned();
	if (host->family == AF_UNIX || strchr(host->host, '/') != NULL)
		return unix_address(net, host->host, &addresses[0]);

	lookup = look_up(net, host->host, host->port);
	if (lookup == NULL)
		return 0;
	for (struct addrinfo *ai = lookup->request.ar_result; ai; ai = ai->ai_next)
	{
		if (count == MONGO_MAX_ADDRESSES)
			break;
		if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6)
			count = add_address(net, host->host, ai->ai_addr, ai->ai_addrlen,
								addresses, count);
	}
	free_lookup(lookup);
	return count;
}
