/*
 * memcached.c
 *		What pgbench is for PostgreSQL, for Memcached: clients in threads of
 *		their own, each with one connection over a Unix socket, each sending one
 *		request after the other. Prints the requests a second.
 *
 *	memcached SOCKET OPERATION KEYS VALUE_FILE CLIENTS PER LIMIT
 *
 * OPERATION	load (each key once, by one client), get, get-many, miss, set
 * KEYS			keys are 000000000000 to KEYS - 1, in twelve digits
 * PER			keys of one get-many
 * LIMIT		seconds ("5s") or requests of each client ("1000")
 *
 * A get that misses, a miss that hits and any error end the program with
 * status 1: a figure is printed only for what was measured.
 */
#include <libmemcached/memcached.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_LENGTH 12
#define MAX_PER 1000
#define MAX_CLIENTS 256

typedef struct Client
{
	pthread_t	thread;
	uint64_t	random;			/* state of its own generator, never 0 */
	long		requests;		/* done so far */
} Client;

static const char *socket_path;
static const char *operation;
static long keys;
static char *value;
static size_t value_length;
static int	per;
static double seconds;			/* 0: limited by requests */
static long request_limit;		/* of each client */
static pthread_barrier_t barrier;

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "memcached: %s: %s\n", what, detail);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* xorshift64: cheap, and good enough to choose keys. */
static long
random_key(Client *client)
{
	client->random ^= client->random << 13;
	client->random ^= client->random >> 7;
	client->random ^= client->random << 17;
	return (long) (client->random % (uint64_t) keys);
}

static memcached_st *
connect_memcached(void)
{
	memcached_st *server = memcached_create(NULL);
	memcached_return_t rc = memcached_server_add_unix_socket(server, socket_path);

	if (rc != MEMCACHED_SUCCESS)
		fail(socket_path, memcached_strerror(server, rc));
	memcached_behavior_set(server, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0);
	return server;
}

static void
set_one(memcached_st *server, long number)
{
	char		key[32];
	memcached_return_t rc;

	snprintf(key, sizeof(key), "%012ld", number);
	rc = memcached_set(server, key, KEY_LENGTH, value, value_length, 86400, 0);
	if (rc != MEMCACHED_SUCCESS)
		fail("set", memcached_strerror(server, rc));
}

static void
get_one(memcached_st *server, long number)
{
	char		key[32];
	size_t		length;
	uint32_t	flags;
	memcached_return_t rc;
	char	   *result;

	snprintf(key, sizeof(key), "%012ld", number);
	result = memcached_get(server, key, KEY_LENGTH, &length, &flags, &rc);
	if (rc != MEMCACHED_SUCCESS || length != value_length)
		fail("get", memcached_strerror(server, rc));
	free(result);
}

static void
miss_one(memcached_st *server, long number)
{
	char		key[32];
	size_t		length;
	uint32_t	flags;
	memcached_return_t rc;

	snprintf(key, sizeof(key), "m%012ld", number);
	(void) memcached_get(server, key, KEY_LENGTH + 1, &length, &flags, &rc);
	if (rc != MEMCACHED_NOTFOUND)
		fail("miss", memcached_strerror(server, rc));
}

static void
get_many(memcached_st *server, Client *client)
{
	static __thread char text[MAX_PER][32];
	const char *names[MAX_PER];
	size_t		lengths[MAX_PER];
	memcached_return_t rc;
	memcached_result_st *result;
	int			found = 0;

	for (int i = 0; i < per; i++)
	{
		snprintf(text[i], sizeof(text[i]), "%012ld", random_key(client));
		names[i] = text[i];
		lengths[i] = KEY_LENGTH;
	}
	rc = memcached_mget(server, names, lengths, per);
	if (rc != MEMCACHED_SUCCESS)
		fail("get-many", memcached_strerror(server, rc));
	while ((result = memcached_fetch_result(server, NULL, &rc)) != NULL)
	{
		found++;
		memcached_result_free(result);
	}
	if (found != per)
		fail("get-many", "keys are missing");
}

static void *
run_client(void *arg)
{
	Client	   *client = arg;
	memcached_st *server = connect_memcached();
	double		end;

	/* Connections are made before the clock starts, as in pgbench. */
	set_one(server, random_key(client));
	pthread_barrier_wait(&barrier);
	end = now() + seconds;
	for (;;)
	{
		if (seconds > 0 ? now() >= end : client->requests >= request_limit)
			break;
		if (strcmp(operation, "get") == 0)
			get_one(server, random_key(client));
		else if (strcmp(operation, "set") == 0)
			set_one(server, random_key(client));
		else if (strcmp(operation, "miss") == 0)
			miss_one(server, random_key(client));
		else
			get_many(server, client);
		client->requests++;
	}
	memcached_free(server);
	return NULL;
}

static void
read_value(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	long		size;

	if (file == NULL)
		fail(path, "cannot be opened");
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	value_length = size;
	value = malloc(value_length + 1);
	if (value == NULL || fread(value, 1, value_length, file) != value_length)
		fail(path, "cannot be read");
	fclose(file);
}

static bool
known_operation(void)
{
	static const char *const names[] = {"load", "get", "get-many", "miss", "set"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(operation, names[i]) == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	static Client clients[MAX_CLIENTS];
	int			n;
	long		requests = 0;
	double		start;

	if (argc != 8)
		fail("usage", "memcached SOCKET OPERATION KEYS VALUE_FILE CLIENTS PER LIMIT");
	socket_path = argv[1];
	operation = argv[2];
	keys = atol(argv[3]);
	read_value(argv[4]);
	n = atoi(argv[5]);
	per = atoi(argv[6]);
	if (argv[7][0] != '\0' && argv[7][strlen(argv[7]) - 1] == 's')
		seconds = atof(argv[7]);
	else
		request_limit = atol(argv[7]);
	if (!known_operation() || keys < 1 || n < 1 || n > MAX_CLIENTS || per < 1 ||
		per > MAX_PER || (seconds <= 0 && request_limit < 1))
		fail("usage", "an argument is out of range");

	if (strcmp(operation, "load") == 0)
	{
		memcached_st *server = connect_memcached();

		for (long i = 0; i < keys; i++)
			set_one(server, i);
		memcached_free(server);
		return 0;
	}

	pthread_barrier_init(&barrier, NULL, n + 1);
	for (int i = 0; i < n; i++)
	{
		clients[i].random = 88172645463325252ULL + 7919 * (uint64_t) i;
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
			fail("thread", "cannot be started");
	}
	pthread_barrier_wait(&barrier);
	start = now();
	for (int i = 0; i < n; i++)
	{
		pthread_join(clients[i].thread, NULL);
		requests += clients[i].requests;
	}
	printf("%.1f\n", requests / (now() - start));
	return 0;
}
