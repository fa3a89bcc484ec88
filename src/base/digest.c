/*
 * digest.c
 *		SHA-256 of bytes that must not be kept as they are.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "base/digest.h"

StaticAssertDecl(COVET_DIGEST_SIZE == PG_SHA256_DIGEST_LENGTH, "a digest is a SHA-256");

/*
 * Leave the SHA-256 of "size" bytes in "digest".  Raises XX000 where the
 * library behind it refuses.
 */
void
covet_digest(const void *bytes, Size size, uint8 digest[COVET_DIGEST_SIZE])
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) bytes, size) < 0 ||
		pg_cryptohash_final(ctx, digest, COVET_DIGEST_SIZE) < 0)
	{
		pg_cryptohash_free(ctx);
		elog(ERROR, "could not compute SHA-256");
	}
	pg_cryptohash_free(ctx);
}
