# A MongoDB server for the tests, and TCP fixtures that misbehave on purpose.
#
# The server is the program named by COVET_MONGO_SERVER; the Makefile sets it to
# what test/install_mongo_server.sh has fetched.  Tests that need no
# special flags also run against COVET_MONGO_URI.  Everything started here is
# killed at the end.
package CovetMongo;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(SOMAXCONN);
use Time::HiRes qw(sleep time);

my %children;

END
{
	my $status = $?;

	kill 'KILL', keys %children;
	waitpid $_, 0 foreach keys %children;
	$? = $status;
}

# The server program, or undef.
sub program
{
	my $program = $ENV{COVET_MONGO_SERVER};

	return $program && -x $program ? $program : undef;
}

# Why tests that need their own server cannot run, or undef.
sub skip_reason
{
	return undef if program();
	return 'no MongoDB server: run test/install_mongo_server.sh, or set COVET_MONGO_SERVER';
}

# OPTIONS of CREATE SERVER and of CREATE USER MAPPING for any server at all: the
# one of COVET_MONGO_URI, or else one of our own.
sub any
{
	my ($class) = @_;
	my $uri = $ENV{COVET_MONGO_URI};

	return ($class->start->options, '') unless $uri;

	my $mapping = '';
	if ($uri =~ s{^(mongodb(?:\+srv)?://)([^/@]*)@}{$1})
	{
		my ($username, $password) = map { s/%([0-9a-fA-F]{2})/chr hex $1/ger } split /:/, $2, 2;

		s/'/''/g foreach $username, $password;
		$mapping = "OPTIONS (username '$username', password '$password')";
	}
	return ("uri '$uri'", $mapping);
}

# Start a server of our own; flags are added to its command line.
sub start
{
	my ($class, @flags) = @_;
	my $self = bless {
		port => PostgreSQL::Test::Cluster::get_free_port(),
		dir => PostgreSQL::Test::Utils::tempdir_short()
	}, $class;

	$self->run(@flags);
	return $self;
}

# Start it again on the same port and storage, after stop().
sub run
{
	my ($self, @flags) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/mongo_$self->{port}.log";

	$self->{pid} = fork_child(
		sub {
			open STDIN, '<', '/dev/null';
			open STDOUT, '>>', $log;
			open STDERR, '>>', $log;
			exec program(), '--host', '127.0.0.1', '--port', $self->{port},
			  '--storage-path', "$self->{dir}/data", '--log-file-max', '64MB',
			  '--cache-size', '256M', @flags;
		});
	for my $try (1 .. 1200)
	{
		return if IO::Socket::INET->new(
			PeerAddr => '127.0.0.1', PeerPort => $self->{port});
		die "MongoDB server ended at start, see $log\n"
		  if waitpid($self->{pid}, 1) != 0;
		sleep 0.1;
	}
	die "MongoDB server did not start, see $log\n";
}

# SIGKILL: a transaction somebody left open would keep it from ending.
sub stop
{
	my ($self) = @_;

	end_child($self->{pid});
}

# Start it again with other flags and the same data: it has to end by itself,
# for its log of writes is not on disk before.
sub restart
{
	my ($self, @flags) = @_;

	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $children{ $self->{pid} };
	$self->run(@flags);
}

# OPTIONS of CREATE SERVER for it; more may follow.
sub options
{
	my ($self, @more) = @_;

	return join ', ', "address '127.0.0.1'", "port '$self->{port}'", @more;
}

# Send one command to a server; its reply must have ok: 1.
sub command
{
	my ($self, $database, @command) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1', PeerPort => $self->{port}) or die "connect: $!";
	my $body = pack('V', 0) . "\0" . document(@command, '$db', $database);

	print $socket pack('V4', 16 + length $body, 1, 0, 2013) . $body;
	my $reply = read_message($socket);
	my ($ok) = $reply =~ /\x01ok\0(.{8})/s;
	die "command $command[0] failed: $reply\n" unless defined $ok && unpack('d<', $ok) == 1;
}

# ----------
# BSON, as much as the tests need: a document is a list of keys and values;
# values are strings, integers, [document], \@array, and \"bytes" as they are, type
# first
# ----------

sub element
{
	my ($key, $value) = @_;

	return substr($$value, 0, 1) . "$key\0" . substr($$value, 1)
	  if ref $value eq 'SCALAR';
	return "\x04$key\0" . document(map { ($_ => $$value->[$_]) } 0 .. $#$$value)
	  if ref $value eq 'REF';
	return "\x03$key\0" . document(@$value) if ref $value eq 'ARRAY';
	return "\x01$key\0" . pack('d<', $1) if $value =~ /^double (.*)/;
	return "\x10$key\0" . pack('l<', $value) if $value =~ /^-?\d+$/;
	return "\x08$key\0" . ($value eq 'true' ? "\x01" : "\0")
	  if $value =~ /^(true|false)$/;
	return "\x02$key\0" . pack('V', 1 + length $value) . "$value\0";
}

sub document
{
	my @pairs = @_;
	my $body = '';

	while (my ($key, $value) = splice @pairs, 0, 2)
	{
		$body .= element($key, $value);
	}
	return pack('V', 5 + length $body) . "$body\0";
}

# One message of the wire protocol, header and all; undef at the end.
sub read_message
{
	my ($socket) = @_;
	my $message = '';
	my $wanted = 4;

	while (length $message < $wanted)
	{
		my $n = sysread $socket, $message, $wanted - length $message, length $message;
		return undef unless $n;
		$wanted = unpack 'V', $message if length $message == 4;
	}
	return $message;
}

# ----------
# Fixtures
# ----------

sub fork_child
{
	my ($code) = @_;
	my $pid = fork;

	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		%children = ();
		$code->();
		POSIX::_exit(1);
	}
	$children{$pid} = 1;
	return $pid;
}

sub end_child
{
	my ($pid) = @_;

	kill 'KILL', $pid;
	waitpid $pid, 0;
	delete $children{$pid};
}

sub listen_somewhere
{
	my ($backlog) = @_;

	return IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', Listen => $backlog, ReuseAddr => 1)
	  || die "listen: $!";
}

# The port of a server that accepts and never says a word.
sub silent
{
	my $listener = listen_somewhere(SOMAXCONN);

	fork_child(
		sub {
			my @kept;

			while (my $client = $listener->accept)
			{
				push @kept, $client;
			}
		});
	return $listener->sockport;
}

# The port of a server that answers whatever it is told with these bytes, and
# closes.
sub babbler
{
	my ($answer) = @_;
	my $listener = listen_somewhere(SOMAXCONN);

	fork_child(
		sub {
			while (my $client = $listener->accept)
			{
				read_message($client);
				syswrite $client, $answer;
				close $client;
			}
		});
	return $listener->sockport;
}

# The port of a listening socket whose backlog is full, so that connecting to
# it gets no answer at all.
my @full;

sub full_backlog
{
	my $listener = listen_somewhere(1);

	push @full, $listener;
	push @full,
	  IO::Socket::INET->new(
		PeerAddr => '127.0.0.1', PeerPort => $listener->sockport, Blocking => 0)
	  foreach 1 .. 8;
	return $listener->sockport;
}

# A proxy that passes messages on, whole, and writes down the name of each
# command that a client sends.  Once a message contains $word, its connection
# is swallowed from then on.
sub proxy
{
	my ($target, $word) = @_;
	my $listener = listen_somewhere(SOMAXCONN);
	my $self = {
		port => $listener->sockport,
		log => PostgreSQL::Test::Utils::tempdir_short() . '/commands'
	};

	PostgreSQL::Test::Utils::append_to_file($self->{log}, '');
	fork_child(
		sub {
			my $select = IO::Select->new($listener);
			my (%peer, %to_server, %stalled);

			while (my @ready = $select->can_read)
			{
				foreach my $socket (@ready)
				{
					if ($socket == $listener)
					{
						my $client = $listener->accept or next;
						my $server = IO::Socket::INET->new(
							PeerAddr => '127.0.0.1', PeerPort => $target) or next;

						($peer{$client}, $peer{$server}) = ($server, $client);
						$to_server{$client} = 1;
						$select->add($client, $server);
						next;
					}
					my $message = read_message($socket);

					if (!defined $message)
					{
						$select->remove($socket);
						shutdown $peer{$socket}, 2;
						next;
					}
					if ($to_server{$socket})
					{
						my (undef, undef, undef, $opcode) = unpack 'V4', $message;

						PostgreSQL::Test::Utils::append_to_file($self->{log},
							unpack('Z*', substr $message, 26) . "\n")
						  if $opcode == 2013;
						$stalled{$socket} = 1
						  if defined $word && index($message, $word) >= 0;
					}
					syswrite $peer{$socket}, $message
					  unless $stalled{$socket} || $stalled{ $peer{$socket} };
				}
			}
		});
	return $self;
}

# How often a client has sent a command through a proxy.
sub count_commands
{
	my ($proxy, $command) = @_;

	return scalar grep { $_ eq $command }
	  split /\n/, PostgreSQL::Test::Utils::slurp_file($proxy->{log});
}

# The port of something that answers every message like a mongos of a healthy
# cluster, and so stands for one of several seeds.
sub fake_mongos
{
	return fake_server(ismaster => 'true', isWritablePrimary => 'true', msg => 'isdbgrid');
}

# The same like a member of the replica set "rs", which announces another host
# as its only one.
sub fake_member
{
	my ($host) = @_;

	return fake_server(ismaster => 'false', isWritablePrimary => 'false',
		secondary => 'true', setName => 'rs', me => $host, primary => $host,
		hosts => \[$host]);
}

# The same, answering each find with one batch that holds a good document and
# then one that claims more bytes than there are.
sub fake_truncated
{
	my $good = document(_id => 1);
	my $bad = pack('V', 5000) . substr($good, 4);
	my $batch = "\x030\0$good\x031\0$bad\0";

	return fake_server(ismaster => 'true', isWritablePrimary => 'true',
		cursor => [
			id => \("\x12" . pack('q<', 0)),
			ns => 'db.c',
			firstBatch => \("\x04" . pack('V', 4 + length $batch) . $batch) ]);
}

sub fake_server
{
	my $listener = listen_somewhere(SOMAXCONN);
	my $reply = document(
		@_,
		helloOk => 'true', maxBsonObjectSize => 16777216,
		maxMessageSizeBytes => 48000000, maxWriteBatchSize => 100000,
		minWireVersion => 0, maxWireVersion => 17, ok => 'double 1');

	fork_child(
		sub {
			my $select = IO::Select->new($listener);

			while (my @ready = $select->can_read)
			{
				foreach my $socket (@ready)
				{
					if ($socket == $listener)
					{
						$select->add($listener->accept);
						next;
					}
					my $message = read_message($socket);

					if (!defined $message)
					{
						$select->remove($socket);
						next;
					}
					my (undef, $id, undef, $opcode) = unpack 'V4', $message;
					my $body =
					  $opcode == 2013
					  ? pack('V', 0) . "\0" . $reply
					  : pack('V Q V V', 8, 0, 0, 1) . $reply;

					syswrite $socket,
					  pack('V4', 16 + length $body, 1, $id, $opcode == 2013 ? 2013 : 1) . $body;
				}
			}
		});
	return $listener->sockport;
}

1;
