# Getting to a MongoDB server: TLS, credentials, seeds, allowed hosts, and what
# is said when it does not work.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CovetMongo;
use IO::Select;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => CovetMongo::skip_reason() if CovetMongo::skip_reason();

my $password = 'pa@ss:w/or%d?#[]';
my $dir = PostgreSQL::Test::Utils::tempdir_short();

# A certificate authority, and certificates of it for the right name and for
# a wrong one.
sub openssl
{
	PostgreSQL::Test::Utils::run_log([ 'openssl', @_ ]) or die "openssl $_[0] failed\n";
}

sub certificate
{
	my ($name, $subject_alt_name) = @_;

	openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$name",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	PostgreSQL::Test::Utils::append_to_file("$dir/$name.ext",
		"subjectAltName=$subject_alt_name\n");
	openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/ca.crt",
		'-CAkey', "$dir/ca.key", '-CAcreateserial', '-days', '2',
		'-extfile', "$dir/$name.ext", '-out', "$dir/$name.crt");
	return ('--tls-cert-file', "$dir/$name.crt", '--tls-key-file', "$dir/$name.key");
}

openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=covet test CA',
	'-days', '2', '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt");
my @right_name = certificate('right', 'IP:127.0.0.1,DNS:localhost');
my @wrong_name = certificate('wrong', 'DNS:elsewhere.example');

my $plain = CovetMongo->start('--standalone');
my $tls = CovetMongo->start(@right_name);
my $misnamed = CovetMongo->start(@wrong_name);
my $secured = CovetMongo->start;

$secured->command('admin',
	createUser => 'us@er', pwd => $password, roles => \[ [ role => 'root', db => 'admin' ] ]);
$secured->restart('--auth');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
log_min_messages = debug5
log_statement = none
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

sub make_server
{
	my ($name, $options, $mapping) = @_;

	$mapping = $mapping ? "OPTIONS ($mapping)" : '';
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER covet_mongo OPTIONS ($options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name $mapping;});
}

# The error of a statement: "SQLSTATE", and all that the client is told.
sub failure
{
	my ($sql) = @_;
	my ($stdout, $stderr);

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql",
		stdout => \$stdout, stderr => \$stderr);
	my ($state) = $stderr =~ /ERROR:  (\w{5}):/;
	return ($state // '', $stderr);
}

sub find
{
	my ($server) = @_;

	return "SELECT * FROM covet.mongo_find('$server', 'db', 'c')";
}

sub ping
{
	my ($server) = @_;

	return "SELECT covet.mongo_ping('$server') < '1 min'";
}

# ----------
# Credentials
# ----------

make_server('secured', $secured->options,
	"username 'us\@er', password '$password'");
make_server('mistaken', $secured->options,
	"username 'us\@er', password '$password-not-it'");
make_server('nobody', $secured->options);

is($node->safe_psql('postgres',
		"SELECT covet.mongo_insert_one('secured', 'db', 'c', '{\"_id\": 7}')"),
	'7', 'SCRAM with a password full of special characters');

my ($state, $text) = failure(find('mistaken'));
is($state, '28000', 'wrong password');
like($text, qr/DETAIL:.*[Aa]uthentication/, 'the driver tells why');
unlike($text, qr/\Q$password\E/, 'without the password');

($state, $text) = failure(find('nobody'));
is($state, '42501', 'no credentials where they are required');

# Who cannot reach the server was not refused by it.
my $stalling = CovetMongo::proxy($secured->{port}, 'saslContinue');
make_server('cut_off',
	"address '127.0.0.1', port '$stalling->{port}', direct_connection 'true', "
	  . "socket_timeout '200ms', server_selection_timeout '300ms'",
	"username 'us\@er', password '$password'");
($state, $text) = failure(find('cut_off'));
is($state, '08006', 'a connection lost during authentication is no wrong password');

# ----------
# Nobody there
# ----------

my $closed = PostgreSQL::Test::Cluster::get_free_port();
make_server('absent',
	"address '127.0.0.1', port '$closed', server_selection_timeout '200ms'");
($state, $text) = failure(ping('absent'));
is($state, '08001', 'no server');
like($text, qr/DETAIL:.*No suitable servers found.*Connection refused/,
	'the driver and the socket tell why');

make_server('unresolved',
	"address 'no-such-host.invalid', server_selection_timeout '200ms'");
($state, $text) = failure(ping('unresolved'));
is($state, '08001', 'a name that does not exist');
like($text, qr/DETAIL:.*"no-such-host.invalid" could not be resolved/, 'is named');

# ----------
# Somebody else there
# ----------

my %answers = (
	'another protocol' => "HTTP/1.1 400 Bad Request\r\n\r\n",
	'nothing' => '',
	'half a header' => pack('V2', 200, 1),
	'a huge length' => pack('V4', 0x7fffffff, 1, 1, 1) . 'x' x 100,
	'a negative length' => pack('V4', 0xffffffff, 1, 1, 1) . 'x' x 100,
	'a broken document' => pack('V4 V Q V V', 16 + 20 + 12, 1, 1, 1, 8, 0, 0, 1) . pack('V', 4000) . 'x' x 8);
my $babblers = 0;

foreach my $kind (sort keys %answers)
{
	my $name = 'babbler' . ++$babblers;

	make_server($name, "address '127.0.0.1', port '" . CovetMongo::babbler($answers{$kind})
		  . "', server_selection_timeout '200ms'");
	($state, $text) = failure(ping($name));
	like($state, qr/^08/, "a server that answers $kind");
}

# ----------
# Several seeds, the first one dead
# ----------

my $mongos = CovetMongo::fake_mongos();
my %dead = (
	refused => $closed,
	silent => CovetMongo::silent(),
	'full backlog' => CovetMongo::full_backlog());

foreach my $kind (sort keys %dead)
{
	(my $name = "seeds_$kind") =~ s/ /_/;
	make_server($name, "uri 'mongodb://127.0.0.1:$dead{$kind},127.0.0.1:$mongos/'");
	my $begin = time;
	is($node->safe_psql('postgres', ping($name)), 't', "two seeds, first one $kind");
	cmp_ok(time - $begin, '<', 5, 'and fast');
}

# ----------
# TLS
# ----------

make_server('tls', $tls->options("ssl 'true'", "ca_file '$dir/ca.crt'"));
is($node->safe_psql('postgres', q{
	SELECT covet.mongo_insert_many('tls', 'db', 'c',
		array_agg(json_build_object('_id', i, 'text', repeat('x', 1000))))
	FROM generate_series(1, 300) i}),
	'300', 'TLS');

is($node->safe_psql('postgres', q{
	SELECT covet.mongo_insert_many('tls', 'db', 'large',
		array_agg(json_build_object('_id', i, 'text', repeat('x', 500000))))
	FROM generate_series(1, 60) i;
	SELECT sum(length(d ->> 'text')) FROM covet.mongo_find('tls', 'db', 'large') d}),
	"60\n30000000", 'TLS with messages that take many writes and reads');

# Each statement of this loop makes a connection of its own.
$node->safe_psql('postgres', q{ALTER SERVER tls OPTIONS (ADD keep_connections 'false')});
my $loop = join "\n",
  map { "SELECT count(*) FROM covet.mongo_find('tls', 'db', 'c');" } 1 .. 200;
my $answers = $node->safe_psql('postgres', $loop);
is(scalar(grep { $_ eq '300' } split /\n/, $answers), 200, '200 TLS connections');

make_server('untrusted', $tls->options("ssl 'true'", "server_selection_timeout '200ms'"));
($state, $text) = failure(find('untrusted'));
is($state, '08001', 'a certificate of an unknown authority');
like($text, qr/DETAIL:.*certificate verify failed/, 'the driver tells why');

make_server('misnamed',
	$misnamed->options("ssl 'true'", "ca_file '$dir/ca.crt'", "server_selection_timeout '200ms'"));
($state, $text) = failure(find('misnamed'));
is($state, '08001', 'a certificate of another host');

make_server('lenient', $misnamed->options("ssl 'true'", "weak_cert_validation 'true'"));
is($node->safe_psql('postgres', ping('lenient')), 't', 'unless nobody is to look');

make_server('no_file',
	$tls->options("ssl 'true'", "ca_file '$dir/missing'", "server_selection_timeout '200ms'"));
($state, $text) = failure(find('no_file'));
is($state, '08001', 'a certificate file that is not there');

# ----------
# Allowed hosts
# ----------

make_server('plain', $plain->options("server_selection_timeout '200ms'"));
make_server('by_name', "address 'localhost', port '$plain->{port}', server_selection_timeout '5s'");
make_server('link_local', "address '169.254.169.254', server_selection_timeout '200ms', connect_timeout '200ms'");
make_server('mapped', "address '::ffff:169.254.169.254', server_selection_timeout '200ms', connect_timeout '200ms'");
make_server('compatible', "address '::169.254.169.254', server_selection_timeout '200ms', connect_timeout '200ms'");
make_server('translated', "address '64:ff9b::169.254.169.254', server_selection_timeout '200ms', connect_timeout '200ms'");

foreach my $case (
	[ '*', 'plain', '' ],
	[ '127.0.0.1', 'plain', '' ],
	[ '10.0.0.0/8, 127.0.0.0/8', 'plain', '' ],
	[ '10.0.0.0/8', 'plain', '42501' ],
	[ '', 'plain', '42501' ],
	[ 'localhost', 'by_name', '' ],
	[ 'LOCALHOST', 'by_name', '' ],
	[ 'localhost', 'plain', '42501' ],
	[ '*.example.com', 'by_name', '42501' ],
	[ '*', 'link_local', '42501' ],
	[ '*', 'mapped', '42501' ],
	[ '*', 'compatible', '42501' ],
	[ '*', 'translated', '42501' ],
	[ '*, 169.254.0.0/16', 'link_local', '08001' ])
{
	my ($setting, $server, $expected) = @$case;

	($state, $text) = failure("SET covet.mongo_allowed_hosts = '$setting';\n" . ping($server));
	is($state, $expected, "mongo_allowed_hosts '$setting', server $server");
}
like($text, qr/DETAIL/, 'a refusal by the network is told as such');

# A member of a replica set may announce hosts that nobody knows: an error, and
# in time.
make_server('astray', "uri 'mongodb://127.0.0.1:" . CovetMongo::fake_member('nowhere.invalid:27017')
	  . "/?replicaSet=rs', server_selection_timeout '500ms', connect_timeout '300ms'");
($state, $text) = failure(ping('astray'));
is($state, '08001', 'an announced host that does not exist');
like($text, qr/nowhere\.invalid/, 'and its name');

# A member of a replica set may announce what it likes: a unix socket only
# counts when the options themselves name one.
my $socket_path = "$dir/mongodb-1.sock";
my $socket = IO::Socket::UNIX->new(Local => $socket_path, Listen => 5) || die "listen: $!";

make_server('announcing', "uri 'mongodb://127.0.0.1:" . CovetMongo::fake_member($socket_path)
	  . "/?replicaSet=rs', server_selection_timeout '500ms', connect_timeout '300ms'");
($state, $text) = failure(ping('announcing'));
is($state, '42501', 'an announced unix socket');
ok(!IO::Select->new($socket)->can_read(0), 'is not connected to');
(my $escaped_path = $socket_path) =~ s!/!%2F!g;
make_server('unix', "uri 'mongodb://$escaped_path/', server_selection_timeout '500ms', connect_timeout '300ms'");
($state, $text) = failure(ping('unix'));
is($state, '08001', 'a unix socket that a superuser named');
ok(IO::Select->new($socket)->can_read(0), 'is connected to');

# ----------
# A batch that cannot be read to its end is an error and not a shorter result
# ----------

make_server('truncated', "address '127.0.0.1', port '" . CovetMongo::fake_truncated() . "'");
($state, $text) = failure(find('truncated'));
is($state, 'XX001', 'a truncated batch');

# ----------
# Changes of options reach backends that are connected
# ----------

is($node->safe_psql('postgres', q{
	SELECT covet.mongo_ping('plain') < '1 min';
	ALTER SERVER plain OPTIONS (SET port '} . $secured->{port} . q{');
	ALTER USER MAPPING FOR CURRENT_USER SERVER plain
		OPTIONS (ADD username 'us@er', ADD password '} . $password . q{');
	SELECT * FROM covet.mongo_find('plain', 'db', 'c');}),
	qq{t\n{"_id": 7}}, 'changed options are used at once');

# ----------
# The password is nowhere
# ----------

my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
cmp_ok(length $log, '>', 10000, 'the server log was written at debug5');
unlike($log, qr/\Q$password\E/, 'the password is not in it');
unlike($log, qr/pa%40ss/, 'nor is it in the form of a URI');

done_testing();
