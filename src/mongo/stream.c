/*
 * stream.c
 *		The sockets under the driver, waiting on PostgreSQL's latch.
 *
 * libmongoc lets a client bring its own streams.  Ours are non-blocking
 * sockets whose every wait also waits for the process latch, so that a cancel
 * is seen at once: the stream then answers with a failure, the driver unwinds
 * as it does for any broken connection, and the code that called the driver
 * runs CHECK_FOR_INTERRUPTS.  Nothing in this file raises or longjmps, for
 * libmongoc holds locks and memory while it calls us.
 *
 * The rules libmongoc expects, found by trying:
 * - The initiator starts a connect and returns.  The driver's own loop then
 *   polls all seeds at once; a blocking connect would serialize dead ones.
 * - With timeout 0, a read or write that would block fails with EAGAIN, and
 *   should_retry is true exactly then.  timed_out is true only after a real
 *   timeout.
 * - The driver's poll knows nothing of TLS: it waits for "writable" while a
 *   handshake wants to read.  So each socket remembers what it last waited
 *   for, and our poll waits for that instead of spinning.
 * - It ends a scan only when every seed has answered or timed out.  Once one
 *   has answered, our poll gives the silent ones a short grace and then
 *   reports them as failed; the connection retries with a longer grace when
 *   that cost it the server it needed.
 *
 * Why a stream failed is noted in the net: the driver's own code for it
 * differs by where it was (a loss during authentication is reported as an
 * authentication error).
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "storage/fd.h"
#include "storage/latch.h"

#include "base/compat.h"
#include "mongo/mongo.h"

/* Types of stream, chosen apart from the driver's own small numbers. */
#define SOCKET_STREAM	0x4356
#define SECURE_STREAM	0x4357

/* Pieces of a message sent in one system call; the driver's have seven. */
#define SEND_PIECES		16

typedef struct SocketStream
{
	mongoc_stream_t vtable;		/* first: what the driver sees */
	dlist_node	node;			/* in net->streams */
	MongoNet   *net;
	char		host[256];
	int			port;
	int			fd;				/* -1 when closed */
	bool		counted;		/* holds a slot of AcquireExternalFD */
	bool		connected;
	bool		failed;
	bool		answered;		/* has received something */
	bool		would_block;	/* of the last call */
	bool		timed_out;		/* of the last call */
	uint32		blocked_on;		/* WL_SOCKET_... the last call waited for */
	int			naddresses;
	int			current;		/* the address in use */
	int64		begun;			/* monotonic us */
	int64		attempt_ends;	/* monotonic us: then try the next address */
	MongoAddress addresses[MONGO_MAX_ADDRESSES];
} SocketStream;

typedef struct SecureStream
{
	mongoc_stream_t vtable;		/* first */
	SocketStream *socket;
	mongoc_stream_t *tls;		/* owns socket */
	bool		ready;			/* the handshake is done */
	bool		broken;			/* it failed */
} SecureStream;

/* ----------
 * The socket
 * ----------
 */

/* Remember why the stream is of no use any more. */
static void
note_failure(SocketStream *s, const char *reason)
{
	char		address[INET6_ADDRSTRLEN] = "";

	s->failed = true;
	if (s->answered)
		s->net->lost = true;
	if (s->current < s->naddresses)
		covet_mongo_address_text(&s->addresses[s->current], address, sizeof(address));
	if (address[0] && strcmp(address, s->host) != 0)
		snprintf(s->net->text, sizeof(s->net->text), "%s:%d (%s): %s.",
				 s->host, s->port, address, reason);
	else
		snprintf(s->net->text, sizeof(s->net->text), "%s:%d: %s.",
				 s->host, s->port, reason);
}

static void
close_socket(SocketStream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->connected = false;
}

static void
set_socket_options(int fd, int family)
{
	int			on = 1;
	int			idle = 120;
	int			interval = 10;
	int			count = 9;

	if (family == AF_UNIX)
		return;
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/*
 * Start connecting to the current address, or to the next one that lets us.
 * Each has its share of the time to connect.
 */
static bool
start_connect(SocketStream *s)
{
	for (; s->current < s->naddresses; s->current++)
	{
		MongoAddress *address = &s->addresses[s->current];
		int			family = address->addr.ss_family;

		s->attempt_ends = bson_get_monotonic_time() +
			(int64) s->net->connect_timeout * 1000 / s->naddresses;
		s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (s->fd < 0)
		{
			note_failure(s, strerror(errno));
			continue;
		}
		set_socket_options(s->fd, family);
		if (connect(s->fd, (struct sockaddr *) &address->addr, address->len) == 0)
		{
			s->connected = true;
			s->failed = false;
			return true;
		}
		if (errno == EINPROGRESS)
		{
			s->failed = false;
			return true;
		}
		note_failure(s, strerror(errno));
		close_socket(s);
	}
	return false;
}

/* The current address will not do: go on with the next. */
static bool
next_address(SocketStream *s, const char *reason)
{
	note_failure(s, reason);
	close_socket(s);
	s->current++;
	if (start_connect(s))
		return true;
	s->current = s->naddresses - 1;
	return false;
}

/* The socket became writable: is it connected, or on its way elsewhere? */
static bool
finish_connect(SocketStream *s)
{
	int			error = 0;
	socklen_t	len = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return next_address(s, strerror(error));
	s->connected = true;
	return true;
}

/*
 * Wait until the socket is ready for what the caller wants.  Returns false,
 * with errno and the flags set, when it timed out, was cancelled, or broke.
 */
static bool
wait_ready(SocketStream *s, uint32 wanted, int64 deadline)
{
	while (!covet_mongo_net_stop(s->net))
	{
		int64		until = deadline;
		uint32		events = s->connected ? wanted : WL_SOCKET_WRITEABLE;
		uint32		seen;

		if (!s->connected)
			until = covet_mongo_earlier(deadline, s->attempt_ends);
		if (!covet_mongo_wait(&s->fd, &events, &seen, 1, until))
		{
			note_failure(s, "out of resources for waiting");
			errno = ENOMEM;
			return false;
		}
		if (seen != 0)
		{
			if (s->connected)
				return true;
			if (!finish_connect(s))
				break;
			continue;
		}
		if (deadline >= 0 && bson_get_monotonic_time() >= deadline)
		{
			s->timed_out = true;
			note_failure(s, "no answer in time");
			errno = ETIMEDOUT;
			return false;
		}
		if (!s->connected && bson_get_monotonic_time() >= s->attempt_ends &&
			!next_address(s, "no answer in time"))
			break;
	}
	errno = s->net->cancelled ? ECANCELED : ECONNRESET;
	return false;
}

/*
 * The last system call, or the connect before it, would block.  Wait when the
 * caller has time, else tell it to come back.
 */
static bool
block_on(SocketStream *s, uint32 wanted, int32 timeout, int64 deadline)
{
	s->blocked_on = wanted;
	if (timeout == 0)
	{
		s->would_block = true;
		errno = EAGAIN;
		return false;
	}
	return wait_ready(s, wanted, deadline);
}

/* What every read and write starts with. */
static bool
begin_call(SocketStream *s, int32 timeout, int64 deadline)
{
	s->would_block = false;
	s->timed_out = false;
	s->blocked_on = 0;
	if (covet_mongo_net_stop(s->net))
	{
		errno = ECANCELED;
		return false;
	}
	if (s->fd < 0 || s->failed)
	{
		errno = ECONNRESET;
		return false;
	}
	return s->connected || block_on(s, WL_SOCKET_WRITEABLE, timeout, deadline);
}

static bool
is_again(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static ssize_t
socket_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt,
			 size_t min_bytes, int32_t timeout)
{
	SocketStream *s = (SocketStream *) stream;
	int64		deadline = covet_mongo_deadline(s->net, timeout);
	size_t		done = 0;
	size_t		i = 0;
	size_t		offset = 0;

	if (!begin_call(s, timeout, deadline))
		return -1;
	while (i < iovcnt)
	{
		ssize_t		n = recv(s->fd, (char *) iov[i].iov_base + offset,
							 iov[i].iov_len - offset, 0);

		if (n > 0)
		{
			if (!s->answered)
				s->net->answered_at = bson_get_monotonic_time();
			s->answered = true;
			done += n;
			offset += n;
			if (offset == iov[i].iov_len)
			{
				i++;
				offset = 0;
			}
			if (done >= Max(min_bytes, 1))
				break;
			continue;
		}
		if (n < 0 && is_again(errno))
		{
			if (block_on(s, WL_SOCKET_READABLE, timeout, deadline))
				continue;
			/* What came so far is not lost: the caller asks for the rest. */
			return s->would_block && done > 0 ? (ssize_t) done : -1;
		}
		note_failure(s, n == 0 ? "the server closed the connection" : strerror(errno));
		errno = ECONNRESET;
		return -1;
	}
	return (ssize_t) done;
}

/*
 * Send what is left of the pieces from *i on, the first one from *offset, in
 * one system call, and move both behind what went out.
 */
static ssize_t
send_pieces(int fd, mongoc_iovec_t *iov, size_t iovcnt, size_t *i, size_t *offset)
{
	struct iovec pieces[SEND_PIECES];
	struct msghdr message = {.msg_iov = pieces};
	ssize_t		sent;
	size_t		left;

	for (size_t n = *i; n < iovcnt && message.msg_iovlen < SEND_PIECES; n++)
	{
		size_t		skip = n == *i ? *offset : 0;

		pieces[message.msg_iovlen].iov_base = (char *) iov[n].iov_base + skip;
		pieces[message.msg_iovlen++].iov_len = iov[n].iov_len - skip;
	}
	sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	if (sent < 0)
		return sent;
	for (left = sent; *i < iovcnt && left >= iov[*i].iov_len - *offset; (*i)++)
	{
		left -= iov[*i].iov_len - *offset;
		*offset = 0;
	}
	*offset += left;
	return sent;
}

static ssize_t
socket_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt,
			  int32_t timeout)
{
	SocketStream *s = (SocketStream *) stream;
	int64		deadline = covet_mongo_deadline(s->net, timeout);
	size_t		done = 0;
	size_t		i = 0;
	size_t		offset = 0;

	if (!begin_call(s, timeout, deadline))
		return -1;
	while (i < iovcnt)
	{
		ssize_t		n = send_pieces(s->fd, iov, iovcnt, &i, &offset);

		if (n >= 0)
		{
			done += n;
			continue;
		}
		if (is_again(errno))
		{
			if (block_on(s, WL_SOCKET_WRITEABLE, timeout, deadline))
				continue;
			return s->would_block && done > 0 ? (ssize_t) done : -1;
		}
		note_failure(s, strerror(errno));
		errno = ECONNRESET;
		return -1;
	}
	return (ssize_t) done;
}

static int
socket_close(mongoc_stream_t *stream)
{
	SocketStream *s = (SocketStream *) stream;

	close_socket(s);
	return 0;
}

static void
socket_destroy(mongoc_stream_t *stream)
{
	SocketStream *s = (SocketStream *) stream;

	close_socket(s);
	if (s->counted)
		ReleaseExternalFD();
	dlist_delete(&s->node);
	bson_free(s);
}

static int
socket_flush(mongoc_stream_t *stream)
{
	return 0;
}

static int
socket_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
				  mongoc_socklen_t len)
{
	return setsockopt(((SocketStream *) stream)->fd, level, name, value, len);
}

static bool
socket_check_closed(mongoc_stream_t *stream)
{
	SocketStream *s = (SocketStream *) stream;
	char		byte;
	ssize_t		n;

	if (s->fd < 0)
		return true;
	n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && !is_again(errno));
}

static bool
socket_timed_out(mongoc_stream_t *stream)
{
	return ((SocketStream *) stream)->timed_out;
}

static bool
socket_should_retry(mongoc_stream_t *stream)
{
	return ((SocketStream *) stream)->would_block;
}

/* ----------
 * Polling several sockets, as the driver does while it looks for a server
 * ----------
 */

static uint32
wanted_events(SocketStream *s, int events)
{
	uint32		wanted = 0;

	if (!s->connected)
		return WL_SOCKET_WRITEABLE;
	if (s->blocked_on != 0)
		return s->blocked_on;
	if (events & POLLIN)
		wanted |= WL_SOCKET_READABLE;
	if (events & POLLOUT)
		wanted |= WL_SOCKET_WRITEABLE;
	return wanted;
}

/*
 * The grace of a silent stream ends here; -1 while no other one has answered
 * since it began, that is, in the same scan.
 */
static int64
grace_ends(SocketStream *s)
{
	if (s->answered || s->net->answered_at < s->begun)
		return -1;
	return s->net->answered_at + s->net->grace * INT64CONST(1000);
}

/* Until when this socket may be waited for. */
static int64
silent_until(SocketStream *s)
{
	int64		until = grace_ends(s);

	if (!s->connected)
		until = covet_mongo_earlier(until, s->attempt_ends);
	return until;
}

/* Look at one socket after a wait; true when the driver has to see it. */
static bool
digest(mongoc_stream_poll_t *poll, uint32 seen)
{
	SocketStream *s = (SocketStream *) poll->stream;
	int64		now = bson_get_monotonic_time();
	int64		grace = grace_ends(s);

	if (!s->connected && seen != 0)
	{
		if (finish_connect(s) && !s->connected)
			return false;
	}
	else if (seen == 0 && !s->failed)
	{
		if (grace >= 0 && now >= grace)
			note_failure(s, "no answer while another server had answered");
		else if (s->connected || now < s->attempt_ends ||
				 next_address(s, "no answer in time"))
			return false;
	}
	poll->revents = s->failed ? POLLERR : (poll->events & (POLLIN | POLLOUT));
	return true;
}

static ssize_t
fail_all(mongoc_stream_poll_t *polls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		polls[i].revents = POLLERR;
	return (ssize_t) count;
}

static ssize_t
socket_poll(mongoc_stream_poll_t *polls, size_t count, int32_t timeout)
{
	MongoNet   *net = ((SocketStream *) polls[0].stream)->net;
	int64		deadline = covet_mongo_deadline(net, timeout);
	int		   *fds = bson_malloc(count * sizeof(int));
	uint32	   *wanted = bson_malloc(count * sizeof(uint32));
	uint32	   *seen = bson_malloc(count * sizeof(uint32));
	ssize_t		ready = 0;

	for (;;)
	{
		int64		until = deadline;
		int			waiting = 0;

		if (covet_mongo_net_stop(net))
		{
			ready = fail_all(polls, count);
			break;
		}
		for (size_t i = 0; i < count; i++)
		{
			SocketStream *s = (SocketStream *) polls[i].stream;

			polls[i].revents = 0;
			if (s->failed || s->fd < 0)
			{
				polls[i].revents = POLLERR;
				ready++;
				continue;
			}
			fds[waiting] = s->fd;
			wanted[waiting++] = wanted_events(s, polls[i].events);
			until = covet_mongo_earlier(until, silent_until(s));
		}
		if (ready > 0)
			break;
		if (!covet_mongo_wait(fds, wanted, seen, waiting, until))
		{
			ready = fail_all(polls, count);
			break;
		}
		for (size_t i = 0; i < count; i++)
			ready += digest(&polls[i], seen[i]) ? 1 : 0;
		if (ready > 0 || (deadline >= 0 && bson_get_monotonic_time() >= deadline))
			break;
	}
	bson_free(fds);
	bson_free(wanted);
	bson_free(seen);
	return ready;
}

static const mongoc_stream_t socket_vtable = {
	.type = SOCKET_STREAM,
	.destroy = socket_destroy,
	.close = socket_close,
	.flush = socket_flush,
	.writev = socket_writev,
	.readv = socket_readv,
	.setsockopt = socket_setsockopt,
	.check_closed = socket_check_closed,
	.poll = socket_poll,
	.failed = socket_destroy,
	.timed_out = socket_timed_out,
	.should_retry = socket_should_retry
};

/* ----------
 * TLS around it
 * ----------
 */

/*
 * Go on with the handshake.  It is run by hand and not by the first write, for
 * only so the driver checks the certificate's name and tells what is wrong.
 */
static bool
secure_handshake(SecureStream *s, int32_t timeout)
{
	bson_error_t error = {0};
	int			events = 0;

	if (s->ready)
		return true;
	if (s->broken)
	{
		errno = ECONNRESET;
		return false;
	}
	s->socket->would_block = false;
	if (mongoc_stream_tls_handshake(s->tls, s->socket->host, timeout, &events, &error))
	{
		s->ready = true;
		return true;
	}
	if (events != 0 && timeout == 0)
	{
		s->socket->would_block = true;
		s->socket->blocked_on = (events & POLLIN) ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
		errno = EAGAIN;
		return false;
	}
	s->socket->would_block = false;
	s->broken = true;
	if (!s->socket->failed && !s->socket->net->cancelled)
	{
		/* The server answered, but this is no connection that was lost. */
		s->socket->answered = false;
		note_failure(s->socket, error.message[0] ? error.message : "TLS handshake failed");
	}
	errno = ECONNRESET;
	return false;
}

static ssize_t
secure_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt,
			 size_t min_bytes, int32_t timeout)
{
	SecureStream *s = (SecureStream *) stream;

	if (!secure_handshake(s, timeout))
		return -1;
	s->socket->would_block = false;
	return mongoc_stream_readv(s->tls, iov, iovcnt, min_bytes, timeout);
}

static ssize_t
secure_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt,
			  int32_t timeout)
{
	SecureStream *s = (SecureStream *) stream;

	if (!secure_handshake(s, timeout))
		return -1;
	s->socket->would_block = false;
	return mongoc_stream_writev(s->tls, iov, iovcnt, timeout);
}

static int
secure_close(mongoc_stream_t *stream)
{
	return mongoc_stream_close(((SecureStream *) stream)->tls);
}

static void
secure_destroy(mongoc_stream_t *stream)
{
	SecureStream *s = (SecureStream *) stream;

	mongoc_stream_destroy(s->tls);
	bson_free(s);
}

static int
secure_flush(mongoc_stream_t *stream)
{
	return mongoc_stream_flush(((SecureStream *) stream)->tls);
}

static int
secure_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
				  mongoc_socklen_t len)
{
	return socket_setsockopt((mongoc_stream_t *) ((SecureStream *) stream)->socket,
							 level, name, value, len);
}

static mongoc_stream_t *
secure_get_base_stream(mongoc_stream_t *stream)
{
	return ((SecureStream *) stream)->tls;
}

static bool
secure_check_closed(mongoc_stream_t *stream)
{
	return socket_check_closed((mongoc_stream_t *) ((SecureStream *) stream)->socket);
}

static bool
secure_timed_out(mongoc_stream_t *stream)
{
	return ((SecureStream *) stream)->socket->timed_out;
}

static bool
secure_should_retry(mongoc_stream_t *stream)
{
	return ((SecureStream *) stream)->socket->would_block;
}

static const mongoc_stream_t secure_vtable = {
	.type = SECURE_STREAM,
	.destroy = secure_destroy,
	.close = secure_close,
	.flush = secure_flush,
	.writev = secure_writev,
	.readv = secure_readv,
	.setsockopt = secure_setsockopt,
	.get_base_stream = secure_get_base_stream,
	.check_closed = secure_check_closed,
	.failed = secure_destroy,
	.timed_out = secure_timed_out,
	.should_retry = secure_should_retry
};

static mongoc_stream_t *
wrap_in_tls(SocketStream *socket)
{
	SecureStream *s;
	mongoc_stream_t *tls;

	tls = mongoc_stream_tls_new_with_hostname((mongoc_stream_t *) socket, socket->host,
											  &socket->net->ssl, 1);
	if (tls == NULL)
	{
		note_failure(socket, "TLS could not be set up: the certificate files or their password are not usable");
		return NULL;
	}
	s = (SecureStream *) bson_malloc0(sizeof(SecureStream));
	s->vtable = secure_vtable;
	s->socket = socket;
	s->tls = tls;
	return (mongoc_stream_t *) s;
}

/* ----------
 * The driver's way in
 * ----------
 */

static bool
open_socket(SocketStream *s)
{
	s->counted = AcquireExternalFD();
	if (!s->counted)
	{
		note_failure(s, "too many open files");
		return false;
	}
	return start_connect(s);
}

/*
 * The driver wants a stream to a host: find its addresses, start connecting
 * to the first, and return.  user_data is the MongoNet.
 *
 * What fails here is told as a stream that has failed, never as no stream at
 * all: when the host is one that a member of a replica set has just announced,
 * the driver asks with the lock on its topology held and, getting none, takes
 * that lock again, so the backend would wait for itself for ever.
 */
mongoc_stream_t *
covet_mongo_stream_initiate(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
							void *user_data, bson_error_t *error)
{
	MongoNet   *net = (MongoNet *) user_data;
	SocketStream *s;
	mongoc_stream_t *result = NULL;

	s = (SocketStream *) bson_malloc0(sizeof(SocketStream));
	s->vtable = socket_vtable;
	s->net = net;
	s->fd = -1;
	s->begun = bson_get_monotonic_time();
	s->port = host->port;
	strlcpy(s->host, host->host, sizeof(s->host));
	dlist_push_tail(&net->streams, &s->node);

	if (!covet_mongo_net_stop(net))
		s->naddresses = covet_mongo_resolve(net, host, s->addresses);
	if (s->naddresses > 0 && open_socket(s))
		result = net->tls ? wrap_in_tls(s) : (mongoc_stream_t *) s;
	if (result == NULL)
	{
		/* Nothing may ever go through this one, least of all without TLS. */
		close_socket(s);
		s->failed = true;
		result = (mongoc_stream_t *) s;
	}
	return result;
}

/*
 * Has a server closed a connection while nobody looked?  TLS may have left
 * bytes to read before the end, so this does not read.
 */
bool
covet_mongo_streams_closed(MongoNet *net)
{
	dlist_iter	iter;

	dlist_foreach(iter, &net->streams)
	{
		SocketStream *s = dlist_container(SocketStream, node, iter.cur);
		struct pollfd request = {.fd = s->fd, .events = POLLRDHUP};

		if (s->fd >= 0 && s->connected && poll(&request, 1, 0) > 0)
			return true;
	}
	return false;
}
