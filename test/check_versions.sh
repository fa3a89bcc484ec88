#!/usr/bin/env bash
# The version stands in covet.control; META.json, CHANGELOG.md and the name of
# the SQL script must agree with it. covet.control has "1.0", which is the
# release 1.0.0 of META.json and CHANGELOG.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail()
{
	echo "$1" >&2
	exit 1
}

control=$(sed -n "s/^default_version = '\(.*\)'/\1/p" covet.control)
[ -n "$control" ] || fail "covet.control has no default_version"

# The last install script or upgrade script must lead to that version.
[ -n "$(find sql -name "covet--$control.sql" -o -name "covet--*--$control.sql")" ] ||
	fail "no script in sql/ leads to version $control"

# META.json names the release, the extension and the script.
meta=$(perl -MJSON::PP -0777 -e '
	my $m = decode_json(<>);
	my $p = $m->{provides}{covet};
	-f $p->{file} or die "META.json: $p->{file} does not exist\n";
	print "$m->{version} $p->{version}\n";' META.json)
release=${meta% *}
[ "${meta#* }" = "$release" ] || fail "META.json has two versions: $meta"
[ "${release%.*}" = "$control" ] || fail "META.json says $release, covet.control says $control"

newest=$(sed -nE 's/^## ([0-9]+\.[0-9]+\.[0-9]+) .*/\1/p' CHANGELOG.md | head -n 1)
[ "$newest" = "$release" ] || fail "CHANGELOG.md begins with \"$newest\", META.json says $release"

echo "version $control, release $release"
