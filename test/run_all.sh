#!/usr/bin/env bash
# `make test`: installs what is missing, builds, installs, runs every test and
# closes on "N passed, N failed".
#
# A regress test, an isolation test, a TAP file and a check of the tree count
# one each. What cannot run here is named with its reason and counted as
# skipped; with COVET_TEST_STRICT=1 (CI) it has failed instead.
#
# COVET_MONGO_URI     a MongoDB to test against instead of one of our own
# COVET_TEST_ENV      VAR=VALUE ... for the tests and their servers only
# COVET_TEST_USER     the user that runs the servers when this is root
# PG_CONFIG           another PostgreSQL than the distribution's
# PROVE_FLAGS         passed on to prove
set -euo pipefail

# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

started=$SECONDS
passed=0 failed=0 skipped=0

title()
{
	say ""
	say "=== $*"
}

pass()
{
	passed=$((passed + 1))
	say "ok      $*"
}

fail()
{
	failed=$((failed + 1))
	say "FAILED  $*"
}

skip()
{
	if [ "${COVET_TEST_STRICT:-}" = 1 ]; then
		fail "$* (may not be skipped here)"
	else
		skipped=$((skipped + 1))
		say "skipped $*"
	fi
}

# check NAME CMD...: one test of the tree; its output is shown when it fails.
check()
{
	local name=$1 output

	shift
	if output=$("$@" 2>&1); then
		pass "$name"
	else
		say "$output"
		fail "$name"
	fi
}

# installcheck VAR=...: make installcheck of the tester's copy, output into
# the file $log and onto the screen.
installcheck()
{
	# shellcheck disable=SC2086	# several words, without spaces in them
	as_tester env ${COVET_TEST_ENV:-} make -s --no-print-directory -C "$work" installcheck "PG_CONFIG=$PG_CONFIG" "$@" \
		</dev/null 2>&1 | tee "$log"
}

# regress KIND VARIABLE FOLDER EXTENSION VAR=...: pg_regress or the isolation
# tester, with the tests of FOLDER in VARIABLE. Up to PostgreSQL 15 they print
# "test NAME ... ok", later "ok 1 - NAME".
regress()
{
	local kind=$1 variable=$2 folder=$3 extension=$4 file name tests=() expected status=0 good bad

	shift 4
	title "$kind ($(find "$folder" -name "*.$extension" 2>/dev/null | wc -l))"
	while IFS= read -r file; do
		name=$(basename "$file" ".$extension")
		if [ -f "expected/$name.out" ]; then
			tests+=("$name")
		else
			# It would end the run of the others.
			fail "$file: there is no expected/$name.out"
		fi
	done < <(find "$folder" -name "*.$extension" 2>/dev/null | sort)
	expected=${#tests[@]}
	if [ "$expected" = 0 ]; then
		return
	fi
	installcheck "$variable=${tests[*]}" "$@" || status=1
	good=$(grep -cE '^(test .* \.\.\. ok|ok [0-9]+ )' "$log" || true)
	bad=$(grep -cE '^(test .* \.\.\. FAILED|not ok [0-9]+ )' "$log" || true)
	if [ "$((good + bad))" -lt "$expected" ]; then
		say "$((expected - good - bad)) of them did not run"
		bad=$((expected - good))
	elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		bad=1
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$bad" != 0 ]; then
		head -n 400 "$work/regression.diffs" 2>/dev/null || true
		grep -E -B 5 -A 20 'PANIC|TRAP|was terminated by signal' "$work/log/postmaster.log" 2>/dev/null | head -n 60 || true
	fi
}

# tap: prove over test/t; one result for each file, read from prove's lines
# and its summary.
tap()
{
	local files=() file name bad=0 skips=0 status=0

	mapfile -t files < <(find "$work/test" -path '*/test/t/*.pl' | sort)
	title "TAP (${#files[@]})"
	if [ "${#files[@]}" = 0 ]; then
		say "there are none"
		return
	fi
	if ! perl -MIPC::Run -e 1 2>/dev/null; then
		skip "TAP: the Perl module IPC::Run is missing"
		return
	fi
	installcheck REGRESS= ISOLATION= "PROVE_FLAGS=--timer ${PROVE_FLAGS:-} -I test/t" || status=1
	if ! grep -q '^Result: ' "$log"; then
		say "prove did not get to its end"
		failed=$((failed + ${#files[@]}))
		return
	fi
	for file in "${files[@]}"; do
		name=test/t/$(basename "$file")
		if grep -qE "^${name//./\\.} +\(Wstat: " "$log"; then
			bad=$((bad + 1))
			say "--- the end of the log of $name"
			tail -n 40 "$work/tmp_check/log/regress_log_$(basename "$file" .pl)" 2>/dev/null || true
		elif grep -qE "${name//./\\.} \.+ skipped: " "$log"; then
			skips=$((skips + 1))
			skip "$name: $(sed -nE "s|.*${name//./\\.} \.+ skipped: ||p" "$log")"
		fi
	done
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		say "prove failed without naming a file"
		bad=1
	fi
	failed=$((failed + bad))
	passed=$((passed + ${#files[@]} - bad - skips))
}

setup_packages gcc libc6-dev pkg-config libzstd-dev libmongoc-dev libipc-run-perl openssl
setup_user
setup_scratch "$top/tmp/test"
setup_build

title "The tree"
check "includes point down, names keep the rules" bash test/check_layers.sh
check "planted violations are caught" bash test/check_layers.sh --self-test
check "each header compiles alone" make -s headers "PG_CONFIG=$PG_CONFIG"
check "one version everywhere" bash test/check_versions.sh

# Some tests need a server with flags of their own even when COVET_MONGO_URI
# names one for the others.
if setup_mongo; then
	say "MongoDB: $COVET_MONGO_SERVER"
else
	skip "the tests that start a MongoDB server: it could not be fetched"
fi

# The tester's own copy: results, logs and instances are written beside the
# Makefile, which root's clone would not allow.
work=$scratch/tree
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir "$work"
for part in Makefile covet.control sql src expected test bench docs README.md; do
	[ ! -e "$part" ] || cp -R "$part" "$work"
done
find "$work/src" \( -name '*.o' -o -name '*.bc' \) -delete
if [ "$(id -u)" = 0 ]; then
	chown -hR "$tester:" "$work"
fi

regress Regress REGRESS test/sql sql ISOLATION= TAP_TESTS=
regress Isolation ISOLATION test/specs spec REGRESS= TAP_TESTS=
tap

say ""
if [ "$failed" = 0 ]; then
	rm -rf "$scratch"
else
	say "Results and logs are in $work (regression.diffs, results/, log/, tmp_check/log/)"
fi
say "Ran for $((SECONDS - started)) s"
if [ "$skipped" = 0 ]; then
	say "$passed passed, $failed failed"
else
	say "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ]
